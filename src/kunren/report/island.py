"""The facts that ``report.html`` carries for its script, as one piece of JSON.

Labels stand once and are referred to by number, so that thousands of rows stay small. The same run
gives the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.evaluation.told import metric_name, primary, system_name, unit
from kunren.messages import catalogue, language, text
from kunren.records.facts import Facts
from kunren.records.predictions import Answer, Predicted
from kunren.records.trainlog import by_epoch
from kunren.report import charts, course, errors
from kunren.report.format import clean, emoji_name
from kunren.report.samples import Rows, change

POINTS = 600
"""Points of the training loss at most; beyond that each is the mean of several steps."""

JUDGED = ("all", "right", "wrong", "fixed", "broken")
GRADED = ("all", "better", "worse", "same")
"""What the rows can be filtered by: of one label, and of answers that are more or less right."""

WORDS = (
    "gold", "predicted", "epoch", "loss", "train-loss", "validation-loss", "percent-or-points",
    "test-items", "input", "empty", "none", "generated-short", "filter", "filter-search",
    "page-hint-lines", "page-hint-confusion", "page-hint-labels", "page-hint-calibration",
    "page-confidence", "page-accuracy", "page-step", "page-kept", "page-curves", "page-sort",
    "page-sort-gold", "page-sort-predicted", "page-sort-difference", "page-top", "page-all",
    "page-worst", "page-level", "page-level-n", "page-level-last", "page-items", "page-no-label",
    "page-system", "page-any", "page-gold", "page-predicted", "page-order", "page-order-file",
    "page-order-sure", "page-order-unsure", "page-order-high", "page-order-low", "page-columns",
    "page-reset", "page-previous", "page-next", "page-page", "page-count", "page-nothing",
    "page-smoothed",
)  # fmt: skip
"""Messages that the script shows; it fills their placeholders."""

_KEPT = ("tuned", "base")
"""Systems whose columns are shown before one asks for others."""


def written(held: Mapping[str, Any]) -> str:
    """The facts as JSON that can stand within an HTML element.

    ``<`` ends no element and begins no comment, since it is escaped; so are the two line ends that
    JavaScript knows and JSON does not.
    """
    said = json.dumps(held, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        said = said.replace(character, f"\\u{ord(character):04x}")
    return said


def facts_of(facts: Facts, rows: Rows) -> dict[str, Any]:
    """Everything that the page's script draws; a part that the run does not have is None."""
    metrics = facts.metrics or {}
    systems = list(dict.fromkeys(system for row in rows.rows for system in row.systems))
    names = _labels(facts, rows)
    index = {name: n for n, name in enumerate(names)}
    by = primary(metrics)
    return {
        "answers": facts.answers,
        "words": _words(),
        "curves": curves(facts),
        "labels": [{"name": clean(name), "meaning": emoji_name(name)} for name in names],
        "levels": _levels(rows, names),
        "frequency": _frequency(facts, rows, index),
        "confusion": _confusion(metrics, index),
        "calibration": _calibration(metrics),
        "scores": _scores(facts, rows),
        "metric": {"name": metric_name(by), "unit": unit(metrics, by)},
        "changes": [
            [kind, text(f"record.filter-{kind}")]
            for kind in (JUDGED if facts.answers == "label" else GRADED)
        ],
        "systems": {s: {"name": system_name(s, metrics), "shown": s in _KEPT} for s in systems},
        "rows": [_row(row, rows, systems, index) for row in rows.rows],
    }


def _words() -> dict[str, str]:
    known = catalogue("record")
    return {name: known[name][language()] for name in WORDS}


def _labels(facts: Facts, rows: Rows) -> list[str]:
    """The closed set, then what else stands in gold or in an answer."""
    if facts.answers == "text":
        return []
    named = dict.fromkeys((facts.metrics or {}).get("labels", ()))
    for row in rows.rows:
        named |= dict.fromkeys(row.gold_labels)
        for said in row.systems.values():
            named |= dict.fromkeys(said.labels or ())
    return list(named)


def _levels(rows: Rows, names: Sequence[str]) -> list[dict[str, Any]]:
    """The upper levels of a hierarchy: their labels, and which of them each label belongs to."""
    found = []
    for level in range(1, errors.levels(rows) if names else 1):
        above = [" / ".join(errors.above(rows, name, level)) for name in names]
        places = {name: n for n, name in enumerate(dict.fromkeys(above))}
        found.append({"names": [clean(x) for x in places], "of": [places[x] for x in above]})
    return found


def curves(facts: Facts) -> dict[str, Any] | None:
    """Training loss by step, validation loss and metrics by epoch, and the epoch that was kept."""
    log = facts.log or ()
    epochs = by_epoch(log)
    steps = [
        (epoch, row.get("step"), loss)
        for row in log
        if (epoch := row.get("epoch")) and _finite(loss := row.get("loss"))
    ]
    together = max(1, math.ceil(len(steps) / POINTS))
    metrics = [
        {
            "name": metric_name(name),
            "points": [
                [e.number, _rounded(value * (1 if name in course.POINTS else 100), 2)]
                for e in epochs
                if _finite(value := e.evaluation.get(f"eval_{name}", math.nan))
            ],
            "unit": "" if name in course.POINTS else " %",
        }
        for name in course.measured(facts, epochs)
    ]
    validation = [
        [e.number, _rounded(value, 5)]
        for e in epochs
        if _finite(value := e.evaluation.get("eval_loss", math.nan))
    ]
    if not steps and not validation:
        return None
    return {
        "train": [_mean(steps[n : n + together]) for n in range(0, len(steps), together)],
        "together": together,
        "validation": validation,
        "metrics": [m for m in metrics if m["points"]],
        "kept": course.kept_epoch(facts, epochs),
    }


def _mean(steps: Sequence[tuple[float, float | None, float | None]]) -> list[float | None]:
    """Epoch at the end of some steps, their mean loss, and the last step."""
    epoch, step, _ = steps[-1]
    losses = [loss for _, _, loss in steps if loss is not None]
    return [_rounded(epoch, 4), _rounded(sum(losses) / len(losses), 5), step]


def _frequency(
    facts: Facts, rows: Rows, index: Mapping[str, int]
) -> list[tuple[int, int, int]] | None:
    """(label, how often in gold, how often predicted) of every label that occurs."""
    if facts.answers == "text" or not rows.said:
        return None
    return [
        (n, rows.gold[x], rows.said[x]) for x, n in index.items() if rows.gold[x] or rows.said[x]
    ]


def _confusion(
    metrics: Mapping[str, Any], index: Mapping[str, int]
) -> list[tuple[int, int, int]] | None:
    """(gold, predicted, count) of the tuned model; predicted -1: no label."""
    cells = metrics.get("confusion", {}).get("tuned", [])
    known = [
        (index[cell["gold"]], index.get(cell["predicted"] or "", -1), cell["count"])
        for cell in cells
        if cell["gold"] in index
    ]
    return known or None


def _calibration(metrics: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Bins of confidence with the accuracy in each, by system; those with rows in them."""
    found: Mapping[str, Sequence[Mapping[str, Any]]] = metrics.get("calibration") or {}
    order = sorted(found, key=lambda system: (system != "tuned", system))
    made = [
        {
            "name": system_name(system, metrics),
            "bins": [
                [b["lo"], b["hi"], b["count"], _rounded(b["confidence"]), _rounded(b["accuracy"])]
                for b in found[system]
                if b["count"]
            ],
        }
        for system in order
    ]
    return [each for each in made if each["bins"]] or None


def _scores(facts: Facts, rows: Rows) -> list[dict[str, Any]] | None:
    """How many answers of free text have a score in each tenth, before training and after."""
    if facts.answers != "text":
        return None
    found = []
    for system in ("base", "tuned"):
        counts = charts.in_tenths(rows.rows, system)
        if counts:
            found.append({"name": system_name(system, facts.metrics or {}), "counts": counts})
    return found or None


def _row(
    row: Predicted, rows: Rows, systems: Sequence[str], index: Mapping[str, int]
) -> dict[str, Any]:
    """A test item: what was asked, gold, what training did, and each system's answer."""
    found: dict[str, Any] = {"t": clean(row.text), "c": change(row, rows.facts.answers)}
    if row.id in rows.before:
        found["b"] = clean(rows.before[row.id])
    if rows.facts.answers == "text":
        found["g"] = clean(row.gold)
    else:
        found["g"] = [index[label] for label in row.gold_labels]
    found["a"] = [_answer(row.systems.get(s), rows, index) for s in systems]
    return found


def _answer(said: Answer | None, rows: Rows, index: Mapping[str, int]) -> dict[str, Any] | None:
    """Labels or text, whether right, its probability and score; what is None is left out."""
    if said is None:
        return None
    answers = rows.facts.answers
    found: dict[str, Any] = {}
    if answers != "text":
        found["l"] = None if said.labels is None else [index[label] for label in said.labels]
        beside = said.invalid if answers == "set" else said.generated not in (None, said.label)
        found["w"] = clean(said.generated or "") if beside else None
        found["p"] = _rounded(said.probability)
    else:
        found["w"] = None if said.generated is None else clean(said.generated)
    if answers != "label":
        found["s"] = _rounded(said.score, 1 if answers == "text" else 3)
    found["k"] = None if said.correct is None else int(said.correct)
    return {name: value for name, value in found.items() if value is not None}


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None
