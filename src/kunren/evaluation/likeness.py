"""How alike two texts are, without a model: TF-IDF of character n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kunren.evaluation.metric import Indices

_AT_ONCE = 256


def vectorizer() -> Any:
    """TF-IDF of characters 1 to 3.

    Japanese has no spaces to split words at, most of its words are that short, and in a few hundred
    rows longer n-grams hardly ever return. ``char_wb`` adds the ends of the text, where Japanese
    puts mood and politeness. Term counts are dampened (``sublinear_tf``).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)


def most_alike(known: Sequence[str], asked: Sequence[str], most: int) -> Indices:
    """For each text the places of the known ones with the highest cosine, the best first.

    Args:
        known: at least one text.
        asked: what they are compared with.
        most: how many for each.

    Returns:
        [asked, most or the number of known texts]; of equals the earlier.
    """
    width = min(most, len(known))
    if not asked:
        return np.zeros((0, width), dtype=np.int64)
    vectors = vectorizer()
    of_known = vectors.fit_transform(known)
    of_asked = vectors.transform(asked)
    found = []
    for start in range(0, len(asked), _AT_ONCE):
        cosines = (of_asked[start : start + _AT_ONCE] @ of_known.T).toarray()
        found.append(np.argsort(-cosines, axis=1, kind="stable")[:, :width])
    return np.concatenate(found)
