"""Runs the rules over evidence: each fires, stays quiet, or is skipped with a reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kunren.doctor.course import Course
from kunren.doctor.evidence import EVIDENCE, Finding, Missing
from kunren.doctor.table import RULES, Rule
from kunren.messages import catalogue, text
from kunren.records import files
from kunren.records.facts import Facts, read_facts
from kunren.records.folder import State

NAME = "findings.json"

BEFORE = "check.json"
"""In a run folder: what the rules found before training, when the rows and the model were there."""

_ORDER = ("critical", "warning", "info")
_SETTLED = ("findings", "quiet", "ignored")

BEFORE_TRAINING = ("vocabulary", "ends", "template")
"""Evidence of rules that another tool's files can answer too, in another way."""

_FINISHED = State("finished", "", "", "", 0)
"""How far a run is of which nothing says so: no guard stopped it."""


class Evidence:
    """What there is to look at, by name, each worked out when a rule first asks for it.

    Before training it comes from a plan, afterwards from a run folder; a rule does not see the
    difference. A name that one of them does not have is missing there.
    """

    def __init__(self, sources: Mapping[str, Callable[[], Any]]) -> None:
        self._sources = sources
        self._known: dict[str, Any] = {}

    @classmethod
    def of_run(cls, facts: Facts) -> Evidence:
        """All that a run folder tells."""
        return cls({name: partial(source, facts) for name, source in EVIDENCE.items()})

    @classmethod
    def of_foreign(
        cls, course: Course | None, told: Mapping[str, Callable[[], Any]] | None = None
    ) -> Evidence:
        """What is known of a run that another tool made; all else that ours have is missing.

        Args:
            course: of its training; None: nothing was logged.
            told: other evidence, by name.
        """

        def lacking(name: str) -> None:
            known = f"what-{name}" in catalogue("doctor")
            raise Missing("foreign", name=text(f"doctor.what-{name}") if known else name)

        return cls(
            {name: partial(lacking, name) for name in (*EVIDENCE, *BEFORE_TRAINING, "saved")}
            | {"state": lambda: _FINISHED}
            | ({} if course is None else {"course": lambda: course})
            | dict(told or {})
        )

    def without(self, *names: str) -> Evidence:
        """The same with some of it missing."""
        return Evidence({n: source for n, source in self._sources.items() if n not in names})

    def get(self, name: str) -> Any:
        """The evidence of that name.

        Raises:
            Missing: it is not there; the same each time it is asked for.
        """
        if name not in self._known:
            try:
                self._known[name] = self._find(name)
            except Missing as missing:
                self._known[name] = missing
        found = self._known[name]
        if isinstance(found, Missing):
            raise found
        return found

    def _find(self, name: str) -> Any:
        if name not in self._sources:
            raise Missing("evidence", name=name)
        return self._sources[name]()


def diagnose(
    run_folder: Path, rules: Iterable[Rule] = RULES, ignore: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Look at a run folder, and take in what was found before its training. Writes nothing.

    Args:
        run_folder: of ours.
        rules: those to apply.
        ignore: slugs of rules not to apply and why, beside those that its config names.

    Returns:
        As ``examine``.

    Raises:
        InputError: not a run folder, or a file of it is broken.
    """
    facts = read_facts(run_folder)
    settings = dict((facts.config or {}).get("doctor") or {})
    settings["ignore"] = {**(settings.get("ignore") or {}), **(ignore or {})}
    return complete(found_before(run_folder), Evidence.of_run(facts), settings, rules)


def found_before(run_folder: Path) -> dict[str, Any]:
    """What the rules found before training, as the run folder keeps it; empty: nothing is kept."""
    path = run_folder / BEFORE
    return files.read_json(path) if path.is_file() else {}


def complete(
    before: Mapping[str, Any],
    evidence: Evidence,
    settings: Mapping[str, Any],
    rules: Iterable[Rule] = RULES,
) -> dict[str, Any]:
    """What was found before training, together with what the other rules find afterwards.

    A rule that could never be applied keeps its first reason.

    Args:
        before: as ``examine`` gives it; may be empty.
        evidence: of the run.
        settings: see ``examine``.
        rules: those to apply; of ``before`` only theirs counts.
    """
    rules = list(rules)
    asked = {rule.slug for rule in rules} - set(settings.get("ignore") or {})
    before = {k: [one for one in found if one["slug"] in asked] for k, found in before.items()}
    settled = {r["slug"] for kind in _SETTLED for r in before.get(kind, ())}
    after = examine(evidence, settings, [rule for rule in rules if rule.slug not in settled])
    for kind in _SETTLED:
        after[kind] = [*before.get(kind, ()), *after[kind]]
    after["findings"].sort(key=lambda finding: _ORDER.index(finding["severity"]))
    reasons = {rule["slug"]: rule["reason"] for rule in before.get("skipped", ())}
    after["skipped"] = [
        rule | {"reason": reasons.get(rule["slug"], rule["reason"])} for rule in after["skipped"]
    ]
    return after


def write_findings(run_folder: Path) -> dict[str, Any]:
    """Write what ``diagnose`` finds to the run folder's ``findings.json``, and return it."""
    found = diagnose(run_folder)
    files.write_json(run_folder / NAME, found)
    return found


def examine(
    evidence: Evidence,
    settings: Mapping[str, Any] | None = None,
    rules: Iterable[Rule] = RULES,
) -> dict[str, Any]:
    """Look at evidence with rules.

    Args:
        evidence: what there is.
        settings: the section ``doctor`` of a config: ``thresholds`` and ``ignore``.
        rules: those to apply.

    Returns:
        ``{"findings": [{"code", "slug", "severity", "message", "evidence", "fix"}],
        "skipped": [{"code", "slug", "reason"}], "quiet": [{"code", "slug"}],
        "ignored": [{"code", "slug", "reason"}]}``, the gravest finding first.
    """
    settings = settings or {}
    ignore: Mapping[str, str] = settings.get("ignore") or {}
    found: dict[str, list[dict[str, Any]]] = {
        "findings": [], "skipped": [], "quiet": [], "ignored": [],
    }  # fmt: skip
    for rule in rules:
        named = {"code": rule.code, "slug": rule.slug}
        if rule.slug in ignore:
            found["ignored"].append({**named, "reason": ignore[rule.slug]})
            continue
        try:
            finding = apply(rule, evidence, settings.get("thresholds"))
        except Missing as missing:
            found["skipped"].append({**named, "reason": missing.reason})
            continue
        if finding is None:
            found["quiet"].append(named)
        else:
            found["findings"].append(named | _told(finding))
    found["findings"].sort(key=lambda finding: _ORDER.index(finding["severity"]))
    return found


def apply(
    rule: Rule, evidence: Evidence, overrides: Mapping[str, Any] | None = None
) -> Finding | None:
    """Apply one rule to the evidence that its parameters name.

    Args:
        rule: the rule; its keyword-only parameters are its thresholds.
        evidence: what there is.
        overrides: ``"slug.name"`` → ``{"value", "reason"}``, thresholds that the config changes.

    Returns:
        The finding; None where all is well.

    Raises:
        Missing: evidence that it needs is not there.
    """
    changed = {
        name: override["value"]
        for name in thresholds(rule)
        if (override := (overrides or {}).get(f"{rule.slug}.{name}")) is not None
    }
    try:
        return _called(rule.load(), evidence, changed)
    except Missing as missing:
        second = rule.load_otherwise()
        if second is None:
            raise
        try:
            return _called(second, evidence, changed)
        except Missing as also:
            # Of another tool's run the log is all there is: say what that lacks.
            raise (also if missing.kind == "foreign" else missing) from None


def _called(
    function: Callable[..., Finding | None], evidence: Evidence, changed: Mapping[str, float]
) -> Finding | None:
    parameters = _parameters(function)
    needed = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    known = {name: value for name, value in changed.items() if name in parameters}
    return function(*(evidence.get(name) for name in needed), **known)


def thresholds(rule: Rule) -> dict[str, float]:
    """The thresholds of a rule and their defaults, by name."""
    functions = [f for f in (rule.load_otherwise(), rule.load()) if f is not None]
    return {
        name: p.default
        for function in functions
        for name, p in _parameters(function).items()
        if p.kind is p.KEYWORD_ONLY
    }


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "fix": None if finding.fix is None else dict(finding.fix),
    }
