"""What to do next, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kunren.config.patch import options
from kunren.doctor.cures import cures
from kunren.doctor.rules.output_writing import labels_are_tokens
from kunren.messages import catalogue, text
from kunren.records.facts import Facts
from kunren.report import errors, setup
from kunren.report.format import Table
from kunren.report.samples import Rows
from kunren.tasks import Answers


def next_steps(rows: Rows, findings: Sequence[Mapping[str, Any]]) -> Table:
    """First what the findings ask for, then what the errors suggest.

    Of the findings' patches the likeliest comes first (``doctor.cures``), and no key is advised
    twice, least of all both ways.
    """
    facts = rows.facts
    steps: list[list[str]] = []
    if facts.metrics is None:
        steps.append(_unfinished(facts))
    if (facts.manifest or {}).get("model", {}).get("pretrained") is False:
        steps.append([text("record.next-pretrained"), text("record.next-pretrained-why")])
    steps += _cures(findings, facts.config or {})
    for finding in findings:
        said = _advice(finding, facts.answers, facts.config or {})
        if said is not None and said not in steps:
            steps.append(said)
    weak = [name for name, said in errors.by_recall(rows) if said["recall"] < 0.5][:3]
    if weak:
        counts = text("record.list").join(f"{x} ({rows.trained.get(x, '?')})" for x in weak)
        steps.append(
            [
                text("record.next-more-rows", labels=text("record.list").join(weak)),
                text("record.next-more-rows-why", counts=counts),
            ]
        )
    confused = sorted(errors.confused(rows).items(), key=lambda pair: (-pair[1], pair[0]))
    if confused and confused[0][1] >= 2:
        (gold, predicted), count = confused[0]
        steps.append(
            [
                text("record.next-pair", gold=gold, predicted=predicted),
                text("record.next-pair-why", gold=gold, predicted=predicted, count=count),
            ]
        )
    if facts.metrics is not None:
        use = "predict" if setup.family(facts) == "encoder" else "chat"
        steps.append([text(f"record.next-{use}"), text("record.next-chat-why")])
    return Table([text("record.action"), text("record.why")], steps, "ll")


def _unfinished(facts: Facts) -> list[str]:
    if "non-finite" in " ".join(facts.state.codes):
        return [text("record.next-mend"), text("record.next-mend-why")]
    return [text("record.next-resume"), text("record.next-resume-why")]


def _cures(findings: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> Iterator[list[str]]:
    """The changes of the config that the findings ask for, the likeliest first."""
    by_slug = {finding["slug"]: finding for finding in findings}
    advised: set[str] = set()
    for cure in cures(findings, config, protected={}):
        left = {change.key: change for change in cure.changes if change.key not in advised}
        advised |= left.keys()
        if left:
            changes = options({key: change.new for key, change in left.items()})
            first = by_slug[next(iter(left.values())).slugs[0]]
            yield [text("record.next-fix", options=changes), text("record.next-fix-why", **first)]


def _advice(
    finding: Mapping[str, Any], answers: Answers, config: Mapping[str, Any]
) -> list[str] | None:
    """The step that belongs to a finding's rule; None: there is none, or its patch is advised."""
    if finding.get("fix") and finding["severity"] != "info":
        return None
    slug = f"next-{finding['slug']}"
    known = catalogue("record")
    name = next((n for n in (f"{slug}-{answers}", slug) if n in known), None)
    if name is None:
        return None
    added = f"{name}-added"
    what = added if added in known and labels_are_tokens(config) else name
    return [text(f"record.{what}"), text(f"record.{name}-why")]
