"""Which column of a file holds predictions, and which the gold answers, told by their names.

A column that is called as gold answers are is never taken for predictions: who scores the gold
against itself gets 100 % for whatever a model said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where

Side = Literal["gold", "prediction"]

_PREDICTED = re.compile(
    r"predict(ion|ions|ed|s)?|preds?|y_?pred|y_?hat|hypothes[ie]s|hyps?|inferred|inference|guess"
    r"|予測|推論|推定|予想|モデル出力|モデル回答"
)
"""In the name of predictions, as a whole or between underscores (Japanese anywhere)."""

_WRITTEN = (
    "output", "outputs", "response", "responses", "completion", "completions", "generated",
    "generation", "generated_text", "generated_answer", "model_output", "model_answer",
    "model_response", "system_output", "result", "results", "reply", "出力", "応答", "生成",
    "生成文", "生成結果", "結果", "分類結果", "判定", "判定結果", "モデル", "回答",
)  # fmt: skip
"""Of predictions as well as of the answers in training files: taken where nothing above is."""

_MEASURE = re.compile(r"prob|score|conf|logit|rank|time|確率|確信|信頼|スコア|順位|時間|(^|_)id$")
"""In the name of what only belongs to a prediction."""

_GOLD = re.compile(
    r"gold(en)?|y_?true|truth|true|reference|references|refs?|correct|expected|target|targets"
    r"|正解|教師|参照|模範|期待"
)
_LABEL = re.compile(r"labels?|answers?|class|category|ラベル|分類|カテゴリー?|感情|答え|解答")

KNOWN: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "uid", "guid", "example_id", "sample_id"),
    "text": ("text", "prompt", "input", "question", "sentence", "source", "instruction", "テキスト",
             "本文", "文", "文章", "入力", "入力文", "質問"),
    "messages": ("messages",),
    "probability": ("probability", "confidence"),
    "probabilities": ("probabilities",),
}  # fmt: skip
"""What other columns may be called where the user names none; the first that is there counts."""

NAMES = ("text", "label", "prediction", "id", "messages", "probability", "probabilities")
"""Columns that the user can name; ``label`` is that of the gold answers."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file has what.

    Attributes:
        at: a key of ``KNOWN``, "gold" or "prediction" → its column; None: there is none.
        problems: what cannot be told.
    """

    at: Mapping[str, str | None]
    problems: tuple[Problem, ...] = ()


def columns_of(
    side: Side, named: Mapping[str, str], columns: Sequence[str], name: str, *, enough: bool
) -> Columns:
    """Find the columns of a file.

    Args:
        side: whose answers it is read for. The gold column of a file of predictions is found too.
        named: key of ``NAMES`` → column, where the user says so.
        columns: all that the file has.
        name: the file, as it is shown.
        enough: the answers may also stand elsewhere (in a conversation, as probabilities).
    """
    at: dict[str, str | None] = {key: _known(key, named, columns) for key in KNOWN}
    others = [column for column in columns if column not in at.values()]
    predicted = named.get("prediction") if side == "prediction" else None
    gold = named.get("label")
    problems: list[Problem] = []
    if side == "prediction" and predicted is None:
        found = _predicted([column for column in others if column != gold])
        predicted = found[0] if len(found) == 1 else None
        if len(found) > 1 or (not found and not enough):
            problems.append(_unclear(found, others, columns, name))
    if gold is None:
        left = [column for column in others if column != predicted]
        found = _gold(left, written=side == "gold")
        gold = found[0] if len(found) == 1 or (found and side == "prediction") else None
        if side == "gold" and len(found) > 1:
            said = {"several": _listed(found), "found": _listed(columns)}
            problems.append(Problem("score.several-gold", Where(name), said))
    at |= {
        "gold": gold if gold in columns else None,
        "prediction": predicted if predicted in columns else None,
    }
    return Columns(at, tuple(problems))


def _known(key: str, named: Mapping[str, str], columns: Sequence[str]) -> str | None:
    if key in named:
        return named[key] if named[key] in columns else None
    by_form = {_form(column): column for column in reversed(columns)}
    return next((by_form[known] for known in KNOWN[key] if known in by_form), None)


def _form(column: str) -> str:
    """A name as it is compared: ``Predicted Label`` and ``predicted-label`` are one."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFKC", column).strip())
    return re.sub(r"[\s\-./:]+", "_", plain).lower()


def _has(pattern: re.Pattern[str], form: str) -> bool:
    """Whether a word of a name is of a pattern; Japanese names have no marks between words."""
    return any(pattern.fullmatch(part) for part in form.split("_")) or any(
        not found.group().isascii() or found.group() == form for found in pattern.finditer(form)
    )


def _predicted(columns: Sequence[str]) -> list[str]:
    """The columns that can be predictions, of the plainest kind that there is."""
    forms = {column: _form(column) for column in columns}
    asked = {c: f for c, f in forms.items() if not _MEASURE.search(f)}
    sure = [c for c, f in asked.items() if _has(_PREDICTED, f) and not _has(_GOLD, f)]
    return sure or [c for c, f in asked.items() if f in _WRITTEN]


def _gold(columns: Sequence[str], *, written: bool) -> list[str]:
    """The columns that can be gold answers, of the plainest kind that there is.

    Args:
        columns: the columns that are nothing else.
        written: whether ``output`` and its like may be meant, as in files to train on.
    """
    forms = {
        c: f for c in columns if not _MEASURE.search(f := _form(c)) and not _has(_PREDICTED, f)
    }
    for test in (
        lambda f: f == "gold",
        lambda f: _has(_GOLD, f),
        lambda f: f in ("label", "labels", "ラベル"),
        lambda f: _has(_LABEL, f),
        lambda f: written and f in _WRITTEN,
    ):
        if found := [column for column, form in forms.items() if test(form)]:
            return found
    return []


def _unclear(
    found: Sequence[str], others: Sequence[str], columns: Sequence[str], name: str
) -> Problem:
    """Why the predictions cannot be told: several columns, a gold one alone, or none."""
    said: dict[str, object] = {"found": _listed(columns)}
    if found:
        said["several"] = _listed(found)
        return Problem("score.several-predictions", Where(name), said)
    if gold := _gold(others, written=False):
        return Problem("score.only-gold", Where(name), {**said, "gold": excerpt(gold[0])})
    return Problem("score.no-prediction", Where(name), said)


def _listed(columns: Sequence[str]) -> str:
    return excerpt("、".join(columns), 80) or "-"
