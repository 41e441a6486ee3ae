"""Findings as they are read: what several rules say of the same evidence is said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.messages import text

SEVERITIES = ("critical", "warning", "info")
"""The gravest first."""

MOST = 0.8
"""Share of the rows that one finding counts, from which on another that counts them explains it."""

_Found = Mapping[str, Any]


def _always(_one: _Found, _other: _Found) -> bool:
    return True


YIELDS: tuple[tuple[str, str, Callable[[_Found, _Found], bool]], ...] = (
    # The interval expected before training, and the one that was measured.
    ("small-test", "small-evaluation", _always),
    # A difference that the rows do not confirm, and how many would.
    ("small-evaluation", "not-better-than-base", lambda one, _: "rows_needed" in one["evidence"]),
    # A loss that rises on held-out rows: where the answers became better it is no overfitting.
    (
        "overfitting", "loss-metric-disagreement",
        lambda _, other: other["evidence"].get("answers") == "better",
    ),
    # Rows that look alike only because a column of theirs is not read.
    (
        "conflicting-labels", "unread-columns",
        lambda one, other: other["evidence"].get("differ", 0) >= MOST * one["evidence"]["items"],
    ),
    (
        "conflicting-answers", "unread-columns",
        lambda one, other: other["evidence"].get("differ", 0) >= MOST * one["evidence"]["items"],
    ),
    (
        "duplicate-rows", "unread-columns",
        lambda one, other: other["evidence"].get("alike", 0) >= one["evidence"]["extra"],
    ),
    # Validation rows of one label: any model that answers it is perfect there.
    (
        "too-perfect", "untested-labels",
        lambda _, other: "validation" in (other["evidence"].get("only") or {}),
    ),
    ("best-not-kept", "overfitting", lambda one, _: one["evidence"].get("metric") == "loss"),
    # A loss that still falls, of a metric that becomes worse: more training would do harm.
    (
        "still-improving", "loss-metric-disagreement",
        lambda _, other: other["evidence"].get("answers") == "worse",
    ),
    ("no-evaluation", "memorisation", _always),
    # Too few to see a course, and one that can be seen all the same.
    ("few-evaluations", "overfitting", _always),
    # A NaN that the log wrote as 0; a loss of 0 that is none.
    ("non-finite", "zero-loss", lambda one, _: one["fix"] is None),
    ("memorisation", "zero-loss", _always),
    ("constant-metric", "not-learning", lambda one, _: one["evidence"].get("value") != 0),
    ("mode-collapse", "empty-answers", lambda one, _: one["evidence"].get("label") == ""),
    ("zero-scores", "metric-fails-on-gold", lambda one, _: one["severity"] != "critical"),
)  # fmt: skip
"""Which finding need not be read beside which other one, and where that is so. ``findings.json``
and ``--format json`` have both."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to read.

    Attributes:
        finding: that which says it.
        also: findings that say no more than it does.
    """

    finding: _Found
    also: tuple[_Found, ...] = ()

    @property
    def severity(self) -> str:
        """The gravest of all."""
        found = [str(one["severity"]) for one in (self.finding, *self.also)]
        return min(found, key=SEVERITIES.index)

    @property
    def slugs(self) -> tuple[str, ...]:
        """Of all; first that of the finding that is read."""
        return tuple(one["slug"] for one in (self.finding, *self.also))

    @property
    def message(self) -> str:
        """What is read."""
        return str(self.finding["message"])

    @property
    def fix(self) -> _Found | None:
        """Its change of the config; that of another one would not fit what is read."""
        found: _Found | None = self.finding["fix"]
        return found


def remarks(findings: Sequence[_Found]) -> list[Remark]:
    """Bring together what says the same; the gravest first.

    Args:
        findings: as ``examine`` gives them.
    """
    known = {finding["slug"]: finding for finding in findings}
    also: dict[str, list[_Found]] = {}
    heads = []
    for finding in findings:
        head = _head(finding, known)
        if head is finding:
            heads.append(finding)
        else:
            also.setdefault(head["slug"], []).append(finding)
    made = [Remark(one, tuple(also.get(one["slug"], ()))) for one in heads]
    return sorted(made, key=lambda remark: SEVERITIES.index(remark.severity))


def lines(findings: Sequence[_Found]) -> list[str]:
    """What is more than worth knowing, a line each: as a run tells it while it goes on."""
    return [
        text(
            "doctor.line",
            severity=text(f"doctor.severity-{remark.severity}"),
            slug=remark.finding["slug"],
            message=remark.message,
        )
        for remark in remarks(findings)
        if remark.severity != "info"
    ]


def _head(finding: _Found, known: Mapping[str, _Found]) -> _Found:
    """The finding that says it in the end. The table has no circle."""
    for slug, other, where in YIELDS:
        if finding["slug"] == slug and other in known and where(finding, known[other]):
            return _head(known[other], known)
    return finding


def by_reason(skipped: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Why rules could not be applied → their slugs."""
    found: dict[str, list[str]] = {}
    for rule in skipped:
        found.setdefault(rule["reason"], []).append(rule["slug"])
    return found
