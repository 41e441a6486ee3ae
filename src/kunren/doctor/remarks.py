"""Findings as they are read: what several rules say of the same evidence is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("critical", "warning", "info")
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to read.

    Attributes:
        finding: that which says it.
        also: findings that say no more than it does.
    """

    finding: Mapping[str, Any]
    also: tuple[Mapping[str, Any], ...] = ()

    @property
    def severity(self) -> str:
        """The gravest of all."""
        return min((one["severity"] for one in (self.finding, *self.also)), key=SEVERITIES.index)

    @property
    def slugs(self) -> tuple[str, ...]:
        """Of all; first that of the finding that is read."""
        return tuple(one["slug"] for one in (self.finding, *self.also))

    @property
    def message(self) -> str:
        """What is read."""
        return str(self.finding["message"])

    @property
    def fix(self) -> Mapping[str, Any] | None:
        """Its change of the config; one of the others would not fit what is read."""
        found: Mapping[str, Any] | None = self.finding["fix"]
        return found


def remarks(findings: Sequence[Mapping[str, Any]]) -> list[Remark]:
    """Bring together what says the same; the gravest first.

    Args:
        findings: as ``examine`` gives them. All of them stay in ``findings.json``: only readers are
            spared the second time.
    """
    known = {finding["slug"]: finding for finding in findings}
    said_by: dict[str, list[Mapping[str, Any]]] = {}
    heads = []
    for finding in findings:
        head = _head(finding, known)
        if head is finding:
            heads.append(finding)
        else:
            said_by.setdefault(head["slug"], []).append(finding)
    made = [Remark(one, tuple(said_by.get(one["slug"], ()))) for one in heads]
    return sorted(made, key=lambda remark: SEVERITIES.index(remark.severity))


def _head(finding: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The finding that says it: the end of the chain of those that yield."""
    passed = {finding["slug"]}
    while True:
        after = (known[slug] for slug in finding.get("yields_to", ()) if slug in known)
        further = next((one for one in after if one["slug"] not in passed), None)
        if further is None:
            return finding
        finding = further
        passed.add(finding["slug"])


def by_reason(skipped: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Why rules could not be applied → their slugs."""
    found: dict[str, list[str]] = {}
    for rule in skipped:
        found.setdefault(rule["reason"], []).append(rule["slug"])
    return found
