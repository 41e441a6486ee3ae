"""What to do next, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.config.patch import options
from kunren.doctor.fixes import merge
from kunren.messages import catalogue, text
from kunren.records.facts import Facts
from kunren.report import errors, setup
from kunren.report.format import Table
from kunren.report.samples import Rows
from kunren.tasks import Answers


def next_steps(rows: Rows, findings: Sequence[Mapping[str, Any]]) -> Table:
    """First what the findings ask for, then what the errors suggest.

    The findings' patches are brought together as ``kunren fix`` does it, so that no key is advised
    twice; each change stands with the first finding that asks for it.
    """
    facts = rows.facts
    cures: dict[str, dict[str, Any]] = {}
    for change in merge(findings, facts.config or {}, protected={}).changes:
        cures.setdefault(change.slugs[0], {})[change.key] = change.new
    steps: list[list[str]] = []
    if facts.metrics is None:
        steps.append(_unfinished(facts))
    if (facts.manifest or {}).get("model", {}).get("pretrained") is False:
        steps.append([text("record.next-pretrained"), text("record.next-pretrained-why")])
    for finding in findings:
        said = _advice(finding, facts.answers, cures.get(finding["slug"]))
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


def _advice(
    finding: Mapping[str, Any], answers: Answers, cure: Mapping[str, Any] | None
) -> list[str] | None:
    """What a finding asks for: its patch of the config, or the step that belongs to its rule.

    A patch of which nothing is left beside those of earlier findings is not advised again.
    """
    fix = finding.get("fix")
    if fix and finding["severity"] != "info":
        if cure is None:
            return None
        changes = options(cure)
        return [text("record.next-fix", options=changes), text("record.next-fix-why", **finding)]
    slug = f"next-{finding['slug']}"
    known = catalogue("record")
    name = next((n for n in (f"{slug}-{answers}", slug) if n in known), None)
    return None if name is None else [text(f"record.{name}"), text(f"record.{name}-why")]
