"""Runs the rules over a run folder: each fires, stays quiet, or is skipped with a reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from kunren.doctor.evidence import EVIDENCE, Finding, Missing
from kunren.records import files
from kunren.records.facts import Facts, read_facts

NAME = "findings.json"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: short and stable.
        slug: stable and plain.
        target: "module:function" below ``kunren.doctor.rules``; its parameters name the evidence
            it needs, and it returns a ``Finding``, or None where all is well.
    """

    code: str
    slug: str
    target: str

    def load(self) -> Callable[..., Finding | None]:
        """The rule's function."""
        module, _, name = self.target.partition(":")
        found = getattr(import_module(f"kunren.doctor.rules.{module}"), name)
        return cast("Callable[..., Finding | None]", found)


RULES = (
    Rule("T001", "non-finite", "training:non_finite"),
    Rule("T002", "overfitting", "training:overfitting"),
    Rule("T003", "still-improving", "training:still_improving"),
    Rule("O001", "not-better-than-base", "output:not_better_than_base"),
    Rule("O002", "below-trivial", "output:below_trivial"),
    Rule("O003", "small-evaluation", "output:small_evaluation"),
    Rule("O004", "out-of-set", "output:out_of_set"),
    Rule("O005", "mode-collapse", "output:mode_collapse"),
    Rule("O006", "majority-trap", "output:majority_trap"),
    Rule("O007", "turn-collapse", "output:turn_collapse"),
)

_ORDER = ("critical", "warning", "info")


def diagnose(run_folder: Path) -> dict[str, Any]:
    """Look at a run folder with every rule. Writes nothing.

    Returns:
        ``{"findings": [{"code", "slug", "severity", "message", "evidence", "fix"}],
        "skipped": [{"code", "slug", "reason"}]}``, the gravest finding first.

    Raises:
        InputError: not a run folder, or a file of it is broken.
    """
    return examine(read_facts(run_folder))


def write_findings(run_folder: Path) -> dict[str, Any]:
    """Write what ``diagnose`` finds to the run folder's ``findings.json``, and return it."""
    found = diagnose(run_folder)
    files.write_json(run_folder / NAME, found)
    return found


def examine(facts: Facts) -> dict[str, Any]:
    """Look at what was read from a run folder."""
    findings: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for rule in RULES:
        named = {"code": rule.code, "slug": rule.slug}
        try:
            finding = _apply(rule, facts)
        except Missing as missing:
            skipped.append({**named, "reason": missing.reason})
            continue
        if finding is not None:
            findings.append(
                {
                    **named,
                    "severity": finding.severity,
                    "message": finding.message,
                    "evidence": dict(finding.evidence),
                    "fix": None if finding.fix is None else dict(finding.fix),
                }
            )
    findings.sort(key=lambda finding: _ORDER.index(finding["severity"]))
    return {"findings": findings, "skipped": skipped}


def _apply(rule: Rule, facts: Facts) -> Finding | None:
    function = rule.load()
    needed = inspect.signature(function).parameters
    return function(**{name: EVIDENCE[name](facts) for name in needed})
