"""Tokens added to a model's vocabulary: ordinary ones, whose embeddings begin as something known.

Everything here can be repeated from the manifest that is saved beside an adapter, so that a plain
base model can be brought to the vocabulary that the adapter was tuned with.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.data.emoji import emoji_name, is_emoji
from kunren.errors import InputError, Problem
from kunren.models.quiet import quiet

if TYPE_CHECKING:
    import torch

    from kunren.models.load import Loaded

TOKENS_FILE = "kunren_tokens.json"
"""Beside the saved weights: the tokens that were added, with their ids."""

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SAYS_NOTHING = frozenset({"Cc", "Cf", "Mn", "Zs"})
"""Unicode categories of characters that mean nothing alone: spaces, joiners, selectors, marks."""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Token:
    """An added token.

    Attributes:
        string: what it stands for.
        id: its number, which is the number of its embedding row.
        initialised_from: the older tokens whose mean its embedding began as; none: the mean of all.
    """

    string: str
    id: int
    initialised_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """What was added to a model's vocabulary.

    Attributes:
        tokens: the new ones, by id.
        vocabulary: how many tokens the tokenizer knows now.
        embedding_rows: how many embeddings the model has now; some models have more than tokens.
        base_embedding_rows: how many it had before.
        tied: whether the output layer is the embeddings.
    """

    tokens: tuple[Token, ...]
    vocabulary: int
    embedding_rows: int
    base_embedding_rows: int
    tied: bool

    def as_json(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "count": len(self.tokens),
            "examples": [token.string for token in self.tokens[:10]],
            "tied": self.tied,
            "vocabulary": self.vocabulary,
            "embedding_rows": self.embedding_rows,
        }


def extend(loaded: Loaded, tokens: Sequence[str]) -> Added:
    """Add those of ``tokens`` that the tokenizer does not hold as one token yet, in place.

    They are ordinary tokens, never special ones, which decoding would drop. A token that begins or
    ends in a letter is only seen where no letter stands beside it, so that a label 本 does not cut
    日本 in the texts; emoji are seen everywhere. Spaces beside a token are left to the tokenizer.

    Each new row of the embeddings, of an output layer of its own, and of its bias begins as the
    mean of the rows of the pieces that the token was written with before. Where those are unknown
    or single bytes, the pieces of its Japanese CLDR name stand in; where there is no name, all
    rows. Nothing is drawn at random, so the same base always gives the same model.
    """
    tokenizer: Any = loaded.tokenizer
    new, pieces = teach(tokenizer, tokens)
    base_rows = embedding_rows(loaded.model)
    _grow(loaded.model, {number: pieces[token] for number, token in new})
    return Added(
        tokens=tuple(
            Token(token, number, tuple(tokenizer.convert_ids_to_tokens(pieces[token])))
            for number, token in new
        ),
        vocabulary=len(tokenizer),
        embedding_rows=embedding_rows(loaded.model),
        base_embedding_rows=base_rows,
        tied=is_tied(loaded.model),
    )


def teach(
    tokenizer: Any, tokens: Sequence[str]
) -> tuple[list[tuple[int, str]], dict[str, list[int]]]:
    """The part of ``extend`` that needs no model: add the tokens to the tokenizer, in place.

    Returns:
        The new tokens with their ids, by id; and the ids of each token's former pieces.
    """
    wanted = [token for token in dict.fromkeys(tokens) if token.strip()]
    if not wanted:
        return [], {}  # a vocabulary of 262,144 takes its time to list
    known = tokenizer.get_vocab()
    special = special_ids(tokenizer)
    pieces = {token: _pieces(tokenizer, token, special) for token in wanted}
    _add(tokenizer, [token for token in wanted if not _is_one_token(tokenizer, token)])
    # A new token can be the beginning of one that was whole until now: 👨 of 👨‍👩‍👧.
    _add(tokenizer, [token for token in wanted if not _is_one_token(tokenizer, token)])
    now = tokenizer.get_vocab()
    new = sorted((now[token], token) for token in wanted if token in now and token not in known)
    return new, pieces


def needed_beyond(tokenizer: Any, rows: int) -> tuple[int, list[str]]:
    """Tokens that will be used and have no embedding: special ones, and those in the template.

    Args:
        tokenizer: of the model.
        rows: how many embeddings the model has.

    Returns:
        One more than the highest id that the tokenizer knows; and those tokens.
    """
    known = _known(tokenizer)
    if known <= rows:
        return known, []  # as with most models; a vocabulary of 262,144 takes its time to list
    vocabulary = tokenizer.get_vocab()
    beyond = {token for token, number in vocabulary.items() if number >= rows}
    template, special = str(tokenizer.chat_template or ""), set(tokenizer.all_special_tokens)
    needed = sorted(t for t in beyond if t in special or t in template)
    return max(vocabulary.values(), default=-1) + 1, needed


def _known(tokenizer: Any) -> int:
    """One more than the highest id, if the ids of what was trained have no gaps."""
    added = [*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()]
    return max(len(tokenizer), 1 + max(added, default=-1))


def restore(loaded: Loaded, added: Added, fields: Mapping[str, object]) -> None:
    """Bring a base model to the vocabulary that ``extend`` once gave it, in place.

    Args:
        loaded: the base, as it was before.
        added: what was added then.
        fields: ``path`` and ``base``, for the message.

    Raises:
        InputError: the base's tokenizer gives the tokens other ids than they had.
    """
    tokenizer: Any = loaded.tokenizer
    taken = {number: token for token, number in tokenizer.get_vocab().items()}
    problems = [
        Problem(
            "vocabulary.id-taken",
            None,
            {**fields, "token": token.string, "id": token.id, "other": taken[token.id]},
        )
        for token in added.tokens
        if token.id in taken
    ]
    if problems:
        raise InputError(problems[:1])
    _add(tokenizer, [token.string for token in added.tokens])
    now = tokenizer.get_vocab()
    differing = [t.string for t in added.tokens if now.get(t.string) != t.id]
    if differing:
        names = " ".join(differing[:5])
        raise InputError(Problem("vocabulary.ids-differ", None, {**fields, "names": names}))
    _grow(
        loaded.model,
        {t.id: tokenizer.convert_tokens_to_ids(list(t.initialised_from)) for t in added.tokens},
    )


def check_round_trip(
    tokenizer: Any, labels: Sequence[str], answers: Sequence[str] = ()
) -> list[Problem]:
    """Which labels a model with this tokenizer could not write.

    Every label is encoded as an answer and decoded as one.

    Args:
        tokenizer: with the added tokens, if there are any.
        labels: the closed set.
        answers: whole answers as the training rows have them, such as sets of labels; spaces
            between their parts do not count.

    Returns:
        At most one problem of each kind, naming all the labels: those that come back changed or
        hold unknown characters, and those that hold a special token, which decoding drops.
    """
    dropped, unknown = special_ids(tokenizer), tokenizer.unk_token_id
    special, changed = [], []
    for label in dict.fromkeys(labels):
        ids = _encode(tokenizer, label)
        if unknown in ids:
            changed.append(label)
        elif dropped.intersection(ids):
            special.append(label)
        elif (back := _decode(tokenizer, ids).strip()) != label.strip():
            changed.append(f"{label} → {back}")
    problems = [
        Problem(code, None, {"count": len(found), "labels": _listed(found)})
        for code, found in (("vocabulary.special", special), ("vocabulary.unwritable", changed))
        if found
    ]
    if problems:
        return problems
    torn = [a for a in dict.fromkeys(answers) if not _comes_back(tokenizer, a, dropped)]
    if torn:
        fields: dict[str, object] = {"count": len(torn), "answers": _listed(torn)}
        problems.append(Problem("vocabulary.answers-unwritable", None, fields))
    return problems


def write_tokens(added: Added, folder: Path) -> None:
    """Write the manifest of added tokens into a model's folder."""
    said = json.dumps({"schema": 1, **asdict(added)}, ensure_ascii=False, indent=1)
    (folder / TOKENS_FILE).write_text(said + "\n", encoding="utf-8")


def read_tokens(folder: Path) -> Added | None:
    """The manifest in a model's folder; None where no tokens were added.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / TOKENS_FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        del said["schema"]
        tokens = [Token(t["string"], t["id"], tuple(t["initialised_from"])) for t in said["tokens"]]
        return Added(**{**said, "tokens": tuple(tokens)})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(Problem("model.broken-record", None, {"path": path})) from error


def embedding_rows(model: Any) -> int:
    """How many embeddings a model has, whatever is wrapped around them."""
    return int(model.get_input_embeddings().weight.shape[0])


def is_tied(model: Any) -> bool:
    """Whether the output layer is the embeddings themselves; False where there is none."""
    output = model.get_output_embeddings()
    return output is not None and output.weight is model.get_input_embeddings().weight


@contextmanager
def truly_tied(model: Any) -> Iterator[None]:
    """Let a model's config say within the block whether its output layer is really tied.

    The configs of T5 and mT5 always say so, but where a checkpoint holds an output layer of its
    own, it is used. Who believes the config, as resizing and PEFT do, would overwrite it with the
    embeddings.
    """
    said = getattr(model.config, "tie_word_embeddings", None)
    if said and model.get_output_embeddings() is not None and not is_tied(model):
        model.config.tie_word_embeddings = False
    try:
        yield
    finally:
        if said is not None:
            model.config.tie_word_embeddings = said


def _add(tokenizer: Any, tokens: Sequence[str]) -> None:
    from transformers import AddedToken

    made: Any = AddedToken
    tokenizer.add_tokens(
        [
            made(
                token,
                normalized=False,
                special=False,
                lstrip=False,
                rstrip=False,
                single_word=not is_emoji(token) and (token[0].isalnum() or token[-1].isalnum()),
            )
            for token in tokens
        ]
    )


def _is_one_token(tokenizer: Any, text: str) -> bool:
    """Whether ``text`` is written as one token, apart from a space that some put before it."""
    ids = [n for n in _encode(tokenizer, text) if _decode(tokenizer, [n]).strip()]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        return False
    return _decode(tokenizer, ids).strip() == text.strip()


def _pieces(tokenizer: Any, token: str, special: set[int]) -> list[int]:
    """The ids that say what a token means; empty where none do."""
    for text in (token, emoji_name(token) or ""):
        ids = [n for n in _encode(tokenizer, text) if n not in special]
        if ids := [n for n in ids if _says_something(tokenizer, n)]:
            return ids
    return []


def _says_something(tokenizer: Any, number: int) -> bool:
    if _BYTE.fullmatch(tokenizer.convert_ids_to_tokens(number)):
        return False
    said = _decode(tokenizer, [number])
    return "\ufffd" not in said and any(unicodedata.category(c) not in _SAYS_NOTHING for c in said)


def _encode(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    said: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return said


def _comes_back(tokenizer: Any, answer: str, special: set[int]) -> bool:
    ids = _encode(tokenizer, answer)
    if special.intersection(ids):
        return False
    return "".join(_decode(tokenizer, ids).split()) == "".join(answer.split())


def special_ids(tokenizer: Any) -> set[int]:
    """Ids that decoding drops, and that of the unknown token."""
    added = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    unknown = tokenizer.unk_token_id
    return added | set(tokenizer.all_special_ids) | ({unknown} if unknown is not None else set())


def _listed(found: Sequence[str]) -> str:
    rest = f" … (+{len(found) - _SHOWN})" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + rest


def _grow(model: Any, pieces: Mapping[int, Sequence[int]]) -> None:
    """Give the ids in ``pieces`` their rows, each the mean of the rows of its pieces.

    Ids below them that had no row (Gemma 3 names an image token that has none) get the mean of all
    rows: the model rates them as average, so it never writes them.
    """
    import torch

    if not pieces:
        return
    before = embedding_rows(model)
    rows = max(before, max(pieces) + 1)
    if rows > before:
        with truly_tied(model), quiet(), torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(rows, mean_resizing=False)
    sources = {number: list[int]() for number in range(before, rows)} | dict(pieces)
    with torch.no_grad():
        for table in _tables(model):
            # In float32, since the sum of many bfloat16 rows would be rounded at each step.
            average = table[:before].float().mean(dim=0)
            made = {
                number: table[torch.tensor(ids)].float().mean(dim=0) if len(ids) else average
                for number, ids in sources.items()
            }
            for number, row in made.items():
                table[number] = row.to(table.dtype)


def _tables(model: Any) -> list[torch.Tensor]:
    """All that has one row a token: the embeddings, an output layer of its own, and its biases."""
    tables = [model.get_input_embeddings().weight]
    output = model.get_output_embeddings()
    if output is not None:
        if not is_tied(model):
            tables.append(output.weight)
        if getattr(output, "bias", None) is not None:
            tables.append(output.bias)
    if (bias := getattr(model, "final_logits_bias", None)) is not None:  # BART and its kin
        tables.append(bias[0])
    return tables
