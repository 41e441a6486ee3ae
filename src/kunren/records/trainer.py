"""What the Hugging Face Trainer leaves in its output folder, and what lies beside it.

Nothing is unpickled: ``training_args.bin`` is left alone. What of the settings is known comes from
arguments in JSON and from the model card (README.md), which also holds the table of evaluations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.records import losses_csv
from kunren.textfile import json_object
from kunren.types import Where
from kunren.userfile import contents

STATE = "trainer_state.json"
CARD = "README.md"

CHECKPOINT = re.compile(r"checkpoint-(\d+)")

_ARGUMENTS: Mapping[str, str] = {
    "gradient_accumulation_steps": "train.gradient_accumulation",
    "learning_rate": "train.learning_rate",
    "label_smoothing_factor": "train.loss.label_smoothing",
}
"""The Trainer's name of a setting → ours."""

_HEADING = re.compile(r"\|\s*Training Loss\s*\|\s*Epoch\s*\|\s*Step\s*\|.*")
_SETTING = re.compile(r"- (\w+): (\S+)$")

_RESULTS = ("all_results.json", "eval_results.json", "train_results.json")


@dataclass(frozen=True, slots=True)
class State:
    """A ``trainer_state.json``.

    Attributes:
        path: the file.
        said: all of it.
        rows: its ``log_history``, what is no row left out.
    """

    path: Path
    said: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a state, or stands for one.

    Attributes:
        config: the model's config.json; empty where there is none.
        settings: dotted key → value, under our keys.
        epochs: that were planned; None: not known.
        train_rows: None: not known.
        evaluation_rows: None: not known.
        table: the evaluations in the model card; None: it has none.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    epochs: float | None = None
    train_rows: float | None = None
    evaluation_rows: float | None = None
    table: losses_csv.Losses | None = None


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, the newest first."""
    numbered = [
        (int(named.group(1)), one)
        for one in folder.iterdir()
        if one.is_dir() and (named := CHECKPOINT.fullmatch(one.name))
    ]
    return [one for _, one in sorted(numbered, reverse=True)]


def newest(folder: Path) -> State | None:
    """The state that has come furthest: an output folder's own, or its newest checkpoint's.

    Raises:
        InputError: it is broken.
    """
    states = [folder / STATE, *(one / STATE for one in checkpoints(folder))]
    found = [state for state in states if state.is_file()]
    if not found:
        return None
    first = read_state(found[0])
    if len(found) == 1 or found[0].parent != folder:
        return first
    second = read_state(found[1])
    return first if _come(first) >= _come(second) else second


def _come(state: State) -> float:
    """How many steps a state has come."""
    steps = [step for row in state.rows if (step := positive(row.get("step")))]
    return max([positive(state.said.get("global_step")) or 0.0, *steps])


def read_state(path: Path) -> State:
    """Read a ``trainer_state.json``.

    Raises:
        InputError: it is broken, or no such file.
    """
    data = contents(path)
    if isinstance(data, Problem):
        raise InputError(data)
    try:
        said = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise InputError(
            Problem("doctor.broken-json", Where(str(path)), {"detail": detail})
        ) from None
    history = said.get("log_history") if isinstance(said, dict) else None
    if not isinstance(history, list):
        raise InputError(Problem("doctor.no-history", Where(str(path))))
    return State(path, said, [row for row in history if isinstance(row, dict)])


def beside(folder: Path) -> Beside:
    """What is known beside a state in ``folder``; of a checkpoint also from the folder above."""
    folders = [folder, folder.parent] if CHECKPOINT.fullmatch(folder.name) else [folder]
    config: Mapping[str, Any] = {}
    said: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    counts: dict[str, float] = {}
    table = None
    for where in folders:
        config = config or json_object(where / "config.json")
        for name in ("training_args.json", "args.json", "hparams.json"):
            said = {**json_object(where / name), **said}
        card, its_table = _card(where / CARD)
        said, table = {**card, **said}, table or its_table
        for name in _RESULTS:
            found = json_object(where / name)
            counts = {k: n for k, v in found.items() if (n := positive(v))} | counts
        if (where / "adapter_config.json").is_file():
            settings["tuning.kind"] = "lora"
    return Beside(
        config=config,
        settings=_settings(said) | settings,
        epochs=positive(said.get("num_train_epochs")) or positive(said.get("num_epochs")),
        train_rows=counts.get("train_samples"),
        evaluation_rows=counts.get("eval_samples"),
        table=table,
    )


def positive(value: object) -> float | None:
    """A positive number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return float(value)


def _settings(said: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        ours: v for its, ours in _ARGUMENTS.items() if (v := positive(said.get(its)))
    }
    for kind in ("fp16", "bf16"):
        if said.get(kind) is True:
            settings["train.precision"] = kind
    return settings


def _card(path: Path) -> tuple[Mapping[str, Any], losses_csv.Losses | None]:
    """Settings and evaluations in a model card that the Trainer wrote."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}, None
    found: dict[str, float | bool] = {}
    for line in lines:
        if named := _SETTING.fullmatch(line.strip()):
            try:
                found[named.group(1)] = float(named.group(2))
            except ValueError:
                continue
        elif line.startswith("- mixed_precision_training: Native AMP"):
            found["fp16"] = True
    return found, _table(lines)


def _table(lines: Sequence[str]) -> losses_csv.Losses | None:
    """The table "Training results". It repeats a training loss until the next one is logged."""
    begun = next((n for n, line in enumerate(lines) if _HEADING.fullmatch(line.strip())), None)
    if begun is None:
        return None
    header, body = _cells(lines[begun]), []
    for line in lines[begun + 2 :]:
        if not line.lstrip().startswith("|"):
            break
        body.append(_cells(line))
    at = header.index("Training Loss")
    for before, after in zip(body[-2::-1], body[:0:-1], strict=True):
        if len(before) > at and len(after) > at and before[at] == after[at]:
            after[at] = ""
    return losses_csv.of_table(header, body, CARD) if body else None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_note(state: State, evaluations: int) -> str:
    """How a state was read, in the user's language."""
    fields = {"file": state.path.name, "entries": len(state.rows), "evaluations": evaluations}
    return text("doctor.read-state", **fields)
