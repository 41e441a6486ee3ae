"""What ``kunren score`` found, in words and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.evaluation.baselines import BASELINES
from kunren.evaluation.told import (
    gap,
    judged_p,
    metric_name,
    number,
    primary,
    system_name,
    unit,
)
from kunren.messages import text
from kunren.report import results
from kunren.report.format import clean, markdown, markdown_table

_TURNED = {"better": "worse", "worse": "better"}


def compared(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``paired``, each pair turned so that something is judged against what it is to beat.

    A further file against the first one; the first one against each baseline and, of a run's own
    predictions, against the untuned model.
    """
    trivial = {"base", *BASELINES[metrics["answers"]]}
    found = []
    for pair in metrics["paired"]:
        if pair["b"] in trivial:
            found.append(pair)
            continue
        low, high = pair["ci95"]
        turned = {"a": pair["b"], "b": pair["a"], "difference": -pair["difference"]}
        turned |= {"ci95": (-high, -low), "verdict": _TURNED.get(pair["verdict"], pair["verdict"])}
        found.append({**pair, **turned})
    return found


def verdicts(metrics: Mapping[str, Any]) -> list[str]:
    """One sentence a comparison by the primary metric."""
    by = primary(metrics)
    return [_verdict(metrics, pair) for pair in compared(metrics) if pair["metric"] == by]


def _verdict(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    by = pair["metric"]
    of = unit(metrics, by)
    a, b = pair["a"], pair["b"]
    low, high = (gap(end, of) for end in pair["ci95"])
    same = pair["verdict"] == "identical"
    return text(
        "score.verdict-identical" if same else "score.verdict",
        a=clean(system_name(a, metrics)),
        b=clean(system_name(b, metrics)),
        verdict=text(f"score.{pair['verdict']}"),
        metric=metric_name(by),
        value=number(metrics["systems"][a][by]["value"], of),
        other=number(metrics["systems"][b][by]["value"], of),
        gap=gap(pair["difference"], of),
        low=low,
        high=high,
        p=judged_p(pair),
    )


def sources(metrics: Mapping[str, Any]) -> list[str]:
    """What was read: files, columns, how they were matched, and where the closed set is from."""
    read = metrics["read"]
    found = [text("score.read-gold", file=read["gold"]["file"], column=_column(read["gold"]))]
    for name, one in read["systems"].items():
        said = {"name": system_name(name, metrics), "file": one["file"], "column": _column(one)}
        found.append(text(f"score.read-by-{one['matched_by']}", **said))
    if read["train"] is not None:
        found.append(text("score.read-train", file=read["train"]))
    if read["labels_from"] is not None:
        kind = text(f"score.kind-{read['label_kind']}")
        count = len(metrics["labels"])
        found.append(text(f"score.labels-from-{read['labels_from']}", count=count, kind=kind))
    return [clean(line) for line in found]


def _column(read: Mapping[str, Any]) -> str:
    return text("score.column", column=read["column"]) if read["column"] else ""


def page(metrics: Mapping[str, Any]) -> str:
    """The result as Markdown: scores, verdicts, what was read, and how the numbers are meant."""
    table = results.table(metrics)
    others = results.others(metrics)
    spread = results.spread(metrics)
    paired = results.differences({**metrics, "paired": compared(metrics)})
    how = [
        text(
            "record.note-interval",
            rows=metrics["rows"],
            resamples=metrics["bootstrap"]["resamples"],
        ),
        text(f"record.note-tests-{metrics['answers']}"),
    ]
    if len(metrics["paired"]) > len(metrics["compared"]):
        how.append(text("record.note-holm"))
    parts = [
        f"# {text('score.title')}",
        _listed(verdicts(metrics)),
        "\n>\n".join(f"> {text('score.note')} {markdown(note)}" for note in metrics["notes"]),
        f"## {text('score.h-scores')}",
        markdown_table(table),
        "" if others is None else markdown_table(others),
        "" if spread is None else markdown_table(spread),
        "" if paired is None else f"## {text('score.h-paired')}\n\n{markdown_table(paired)}",
        f"## {text('score.h-read')}",
        _listed([*sources(metrics), *how]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {markdown(line)}" for line in lines)
