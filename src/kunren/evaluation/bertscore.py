"""BERTScore (Zhang et al. 2020): how alike two texts are in the embeddings of a model.

As bert-score 0.3.13 computes it without idf and without rescaling: its rescaling baselines are of
other models and mostly of English, and none is published for the Japanese ones. That package itself
is not used: it reads models from the hub only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, Problem
from kunren.evaluation.metric import (
    Floats,
    Kind,
    Metric,
    Space,
    by_name,
    has_text,
    ratio,
    scores,
)
from kunren.progress import Progress
from kunren.types import Item, Prediction

if TYPE_CHECKING:
    import torch

    from kunren.models.load import Loaded

_DEPTH = 17, 24
"""The layer that is read, as a share of all, rounded up. bert-score reads the one that agreed best
with people's judgement: 9 of 12 of multilingual BERT, 17 of 24 of the large models. For models that
nobody has tuned it for, the same depth."""

_TOKENS = 4096
"""Tokens of a batch, with padding."""

_KEPT = 256 * 2**20
"""Bytes of embeddings that are kept: references, which every system is compared with."""


def with_bertscore(kind: Kind, model_id: str) -> Kind:
    """The metrics of free text, and BERTScore beside them.

    Args:
        kind: the metrics of free text.
        model_id: the model, as ``evaluate.bertscore`` names it.

    Raises:
        InputError: the model cannot be found or used.
    """
    scorer = Scorer(model_id)
    settings = (
        f"model:{model_id}", f"layer:{scorer.layer}/{scorer.layers}", "idf:no", "rescaled:no",
        "as:bert-score-0.3.13", "mean-of-items",
    )  # fmt: skip

    def of(column: int) -> Any:
        def statistics(
            items: Sequence[Item], predictions: Sequence[Prediction], _: Space
        ) -> Floats:
            pairs = [(p.generated or "", i.answer) for i, p in zip(items, predictions, strict=True)]
            return scores(scorer.score(pairs)[:, column])

        return statistics

    made = [
        Metric(name, "share", "higher", "free", settings, _reads, of(n), ratio, perfect=1.0)
        for n, name in enumerate(("bertscore_precision", "bertscore_recall", "bertscore"))
    ]
    return replace(
        kind,
        metrics={**kind.metrics, **by_name(*reversed(made))},
        headline=(*kind.headline, "bertscore"),
        compared=(*kind.compared, "bertscore"),
    )


def check_model(model_id: str, progress: Progress) -> None:
    """See before training that the model can be had and can be used, without reading its weights.

    Raises:
        InputError: the model cannot be found, or it is an encoder-decoder.
    """
    from kunren.models.folder import infer_family
    from kunren.models.sources import locate

    folder = locate(ModelConfig(id=model_id), progress)
    if (family := infer_family(folder)) not in ("encoder", "causal"):
        fields: dict[str, object] = {"path": folder, "family": "encoder", "families": family}
        raise InputError(Problem("model.family-unfit", None, fields))


def _reads(item: Item, prediction: Prediction, space: Space) -> bool:
    return has_text(item, prediction, space) and bool(item.answer.strip())


class Scorer:
    """A model that compares texts. Each pair is compared once, whatever asks for it."""

    def __init__(self, model_id: str) -> None:
        self._id = model_id
        self._scores: dict[tuple[str, str], tuple[float, float, float]] = {}
        self._kept: dict[str, torch.Tensor] = {}
        self._room = _KEPT

    @cached_property
    def _loaded(self) -> Loaded:
        from kunren.models.load import Head, load

        config = ModelConfig(id=self._id, family="encoder")
        loaded = load(config, "fp32", head=Head(("",), False))
        stack = getattr(getattr(loaded.model.base_model, "encoder", None), "layer", None)
        if stack is not None:
            del stack[self._at(len(stack)) :]  # what comes after is never read
        return loaded

    @staticmethod
    def _at(layers: int) -> int:
        return math.ceil(layers * _DEPTH[0] / _DEPTH[1])

    @cached_property
    def layers(self) -> int:
        """How many layers the model has."""
        return int(self._loaded.model.config.get_text_config().num_hidden_layers)

    @property
    def layer(self) -> int:
        """The one that is read, counted from 1."""
        return self._at(self.layers)

    def score(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Precision, recall and F1 of (answer, reference), [n, 3].

        An answer without any token has 0, as in bert-score.
        """
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._scores]
        step = 256  # pairs whose embeddings are in memory at once
        new.sort(key=lambda pair: (len(pair[1]), len(pair[0])))
        for start in range(0, len(new), step):
            part = new[start : start + step]
            embedded = self._embedded(list(dict.fromkeys(text for pair in part for text in pair)))
            for said, gold in part:
                self._scores[said, gold] = _match(embedded[said], embedded[gold])
            self._keep({gold: embedded[gold] for _, gold in part})
        return np.asarray([self._scores[pair] for pair in pairs], dtype=np.float64).reshape(-1, 3)

    def _keep(self, found: dict[str, torch.Tensor]) -> None:
        for text, vectors in found.items():
            if text not in self._kept and vectors.nbytes <= self._room:
                self._kept[text] = vectors
                self._room -= vectors.nbytes

    def _embedded(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Text → unit vectors of its tokens, special ones first and last, [tokens, hidden]."""
        import torch

        loaded = self._loaded
        limit = _limit(loaded)
        new = [text for text in texts if text not in self._kept]
        read: dict[str, list[int]] = {}
        if new:
            ids = loaded.tokenizer([t.strip() for t in new], truncation=True, max_length=limit)
            read = dict(zip(new, ids["input_ids"], strict=True))
        found = {text: self._kept[text] for text in texts if text in self._kept}
        pad = int(loaded.tokenizer.pad_token_id or 0)
        with torch.inference_mode():
            for batch in _batches(read):
                longest = max(len(read[text]) for text in batch)
                ids = [read[text] + [pad] * (longest - len(read[text])) for text in batch]
                mask = [[n < len(read[text]) for n in range(longest)] for text in batch]
                out = loaded.model.base_model(
                    input_ids=torch.tensor(ids, device=loaded.device),
                    attention_mask=torch.tensor(mask, device=loaded.device).long(),
                    output_hidden_states=True,
                )
                hidden = torch.nn.functional.normalize(out.hidden_states[self.layer], dim=-1)
                for text, vectors in zip(batch, hidden.cpu(), strict=True):
                    found[text] = vectors[: len(read[text])].clone()
        return found


def _limit(loaded: Loaded) -> int | None:
    from kunren.models.encoder import Encoder

    return Encoder(loaded).longest


def _batches(read: dict[str, list[int]]) -> list[list[str]]:
    """Texts of about one length together, the longest first."""
    found: list[list[str]] = []
    for text in sorted(read, key=lambda text: -len(read[text])):
        if found and (len(found[-1]) + 1) * len(read[found[-1][0]]) <= _TOKENS:
            found[-1].append(text)
        else:
            found.append([text])
    return found


def _match(said: torch.Tensor, gold: torch.Tensor) -> tuple[float, float, float]:
    """Greedy matching: every token with the likest one of the other text.

    The special tokens at the ends may be matched with but do not count themselves, as in
    bert-score.
    """
    if len(said) <= 2 or len(gold) <= 2:
        return 0.0, 0.0, 0.0
    alike = said @ gold.T
    precision = float(alike.amax(dim=1)[1:-1].double().mean())
    recall = float(alike.amax(dim=0)[1:-1].double().mean())
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
