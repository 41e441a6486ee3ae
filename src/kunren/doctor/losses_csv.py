"""A CSV of losses that some tool wrote: which column is what, by clear names."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.textfile import decode, excerpt
from kunren.types import Where

_STEP = ("step", "steps", "global_step", "iteration", "iter", "ステップ")
_EPOCH = ("epoch", "epochs", "エポック")
_TRAIN = ("train_loss", "training_loss", "train/loss", "loss/train", "loss_train", "学習損失",
          "訓練損失", "train_loss_step", "train_loss_epoch", "loss", "損失")  # fmt: skip
_EVAL = ("eval_loss", "val_loss", "valid_loss", "validation_loss", "dev_loss", "test_loss",
         "eval/loss", "val/loss", "validation/loss", "loss/val", "loss/eval", "loss_val",
         "検証損失", "評価損失")  # fmt: skip
_RATE = ("learning_rate", "lr", "train/learning_rate", "学習率")
_GRADIENT = ("grad_norm", "gradient_norm", "train/grad_norm", "勾配ノルム")
_METRICS: Mapping[str, str] = {
    "accuracy": "accuracy", "acc": "accuracy", "正解率": "accuracy", "f1": "f1",
    "f1_score": "f1", "macro_f1": "macro_f1", "f1_macro": "macro_f1", "マクロf1": "macro_f1",
    "precision": "precision", "適合率": "precision", "recall": "recall", "再現率": "recall",
    "bleu": "bleu", "rouge": "rouge", "rougel": "rougel", "wer": "wer", "cer": "cer",
    "perplexity": "perplexity", "jaccard": "jaccard",
}  # fmt: skip
_HELD_OUT = ("eval_", "val_", "valid_", "validation_", "dev_", "eval/", "val/", "検証")


def read(path: Path) -> tuple[list[dict[str, float]], list[str]]:
    """Read a CSV (or TSV) of losses.

    Returns:
        Rows under the Trainer's names, without empty cells; and how the columns were read, in the
        user's language.

    Raises:
        InputError: it cannot be read as text, or has no column that is a loss.
    """
    lines = decode(path.read_bytes())[0].splitlines()
    try:
        table = list(csv.reader(lines, delimiter=_delimiter(lines[0] if lines else "")))
    except csv.Error:
        raise InputError(Problem("doctor.not-text", Where(str(path)))) from None
    header = [name.strip() for name in (table or [[]])[0]]
    columns = _columns(header)
    if not {"loss", "eval_loss"} & set(columns.values()):
        named = " / ".join(excerpt(name) for name in header[:20]) or "—"
        raise InputError(Problem("doctor.no-loss-column", Where(str(path)), {"columns": named}))
    rows = []
    for cells in table[1:]:
        row = {
            name: value
            for at, name in columns.items()
            if at < len(cells) and (value := _value(cells[at])) is not None
        }
        if row:
            rows.append(row)
    return rows, _notes(path, header, columns, len(rows))


def _delimiter(header: str) -> str:
    return max(",\t;", key=header.count)


def _columns(header: Sequence[str]) -> dict[int, str]:
    """Number of a column → the Trainer's name of what it holds; each name once, the first wins.

    A metric without a prefix counts as one of the evaluation, unless a column with such a prefix
    stands beside it: then it is that of the training rows, as in Keras.
    """
    plain = [name.lower().replace(" ", "_").replace("-", "_") for name in header]
    groups = [("step", _STEP), ("epoch", _EPOCH), ("eval_loss", _EVAL), ("loss", _TRAIN),
              ("learning_rate", _RATE), ("grad_norm", _GRADIENT)]  # fmt: skip
    found: dict[int, str] = {}
    for name, known in groups:
        at = next((plain.index(one) for one in known if one in plain), None)
        if at is not None:
            found[at] = name
    held_out = {at: _without_prefix(name) for at, name in enumerate(plain)}
    for at, name in held_out.items():
        if name in _METRICS and at not in found and name != plain[at]:
            found.setdefault(at, f"eval_{_METRICS[name]}")
    for at, name in enumerate(plain):
        if name in _METRICS and f"eval_{_METRICS[name]}" not in found.values():
            found[at] = f"eval_{_METRICS[name]}"
    return found


def _without_prefix(name: str) -> str:
    prefix = next((p for p in _HELD_OUT if name.startswith(p)), "")
    return name.removeprefix(prefix)


def _value(cell: str) -> float | None:
    """A number, also NaN; None for an empty cell or text."""
    try:
        return float(cell)
    except ValueError:
        return None


def _notes(path: Path, header: Sequence[str], columns: Mapping[int, str], rows: int) -> list[str]:
    read_as = text("record.list").join(
        f"{excerpt(header[at])} → {name}" for at, name in sorted(columns.items())
    )
    notes = [text("doctor.read-csv", file=path.name, rows=rows, columns=read_as)]
    rest = [excerpt(name) for at, name in enumerate(header) if at not in columns and name]
    if rest:
        notes.append(text("doctor.read-csv-rest", columns=" / ".join(rest[:20])))
    return notes
