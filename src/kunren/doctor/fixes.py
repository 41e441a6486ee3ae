"""The patches of findings, made one change of the config.

A finding says ``{"set": {dotted key: value}}``. Several are brought together in the order of their
gravity, each key by its own rule where they differ, and what would choose among test rows is left
alone. The result is written beside the config that it changes, never over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kunren.config.load import load
from kunren.config.patch import flow
from kunren.config.schema import DataConfig
from kunren.doctor.engine import Evidence, complete
from kunren.errors import InputError
from kunren.messages import text
from kunren.records.facts import Facts

GRAVE = ("critical", "warning")
"""Findings whose patches are applied: what is merely worth knowing needs no mending."""

PROTECTED: Mapping[str, str] = {
    "name": "identity",
    **{f"data.{key}": "rows" for key in DataConfig.model_fields if key != "strip_marks"},
    "doctor": "rules",
    "train.seed": "seed",
    "evaluate.seed": "seed",
    "evaluate.seeds": "seed",
    "model.id": "identity",
    "model.revision": "identity",
    "model.trust_remote_code": "trust",
}
"""Key, with all below it → why no patch may change it: the reason's name in ``fix.toml``."""

MEASURING: Mapping[str, str] = {"evaluate": "measuring", "data.strip_marks": "measuring"}
"""What else must stay where attempts are compared with each other."""

_PRECISE = ("fp16", "auto", "bf16", "fp32")


def _union(first: Any, second: Any) -> Any:
    if "labels" in (first, second):
        return "labels"
    return list(dict.fromkeys([*(first or ()), *(second or ())]))


_CONFLICTS: Mapping[str, Callable[[Any, Any], Any]] = {
    "train.learning_rate": min,
    "train.warmup": min,
    "train.max_length": max,
    "train.precision": lambda a, b: max(a, b, key=_PRECISE.index),
    "evaluate.max_new_tokens": max,
    "task.labels.ban": _union,
    "model.add_tokens": _union,
}
"""Key → what two findings that ask for different values agree on: the safer one, or both. Of every
other key the graver finding's value holds, and of equals that of the rule that comes first; so it
does where one finding raises a number that the other lowers."""

_EXTENDED = frozenset({"task.labels.ban"})
"""Lists to which a patch adds: what the user put there stays."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value that changes.

    Attributes:
        key: dotted.
        old: the value before; None where it was left open.
        new: the value after.
        slugs: the findings that it should mend; empty where it follows from another change.
        why: their messages, or why it follows.
    """

    key: str
    old: Any
    new: Any
    slugs: tuple[str, ...]
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A patch, or one value of it, that is not applied."""

    slug: str
    key: str
    new: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What several findings' patches come to."""

    changes: tuple[Change, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def overrides(self) -> list[str]:
        """The changes as ``--set`` takes them."""
        return [f"{change.key}={flow(change.new)}" for change in self.changes]

    @property
    def values(self) -> dict[str, Any]:
        """Dotted key → new value."""
        return {change.key: change.new for change in self.changes}


def merge(
    findings: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any],
    severities: Sequence[str] = GRAVE,
    protected: Mapping[str, str] = PROTECTED,
) -> Merged:
    """Bring the patches of findings together.

    Args:
        findings: as ``examine`` gives them, the gravest first.
        config: the config that they change, as plain values.
        severities: those of the findings that count.
        protected: keys that stay, and why (see ``PROTECTED``).
    """
    changes: dict[str, Change] = {}
    refused: list[Refused] = []
    for finding in findings:
        slug = finding["slug"]
        for key, value in ((finding.get("fix") or {}).get("set") or {}).items():
            old = at(config, key)
            new = _union(old, value) if key in _EXTENDED else value
            reason = _refusal(key, protected)
            if finding["severity"] not in severities:
                reason = text("fix.refused-info")
            if reason is not None:
                refused.append(Refused(slug, key, new, reason))
            elif key not in changes:
                changes[key] = Change(key, old, new, (slug,), (finding["message"],))
            elif _opposed(changes[key], new):
                first = changes[key].slugs[0]
                refused.append(Refused(slug, key, new, text("fix.refused-opposed", slug=first)))
            elif key in _CONFLICTS or new == changes[key].new:
                changes[key] = _agreed(changes[key], new, finding)
            else:
                first = changes[key].slugs[0]
                refused.append(Refused(slug, key, new, text("fix.refused-graver", slug=first)))
    moved = tuple(change for change in changes.values() if change.new != change.old)
    return Merged(moved, tuple(refused))


def _opposed(change: Change, new: Any) -> bool:
    """Whether one raises what the other lowers: no value between or beside serves both."""
    numbers = (change.old, change.new, new)
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return False
    return bool((change.new - change.old) * (new - change.old) < 0)


def _agreed(change: Change, new: Any, finding: Mapping[str, Any]) -> Change:
    if new != change.new:
        new = _CONFLICTS[change.key](change.new, new)
    slugs, why = (*change.slugs, finding["slug"]), (*change.why, finding["message"])
    return replace(change, new=new, slugs=slugs, why=why)


def _refusal(key: str, protected: Mapping[str, str]) -> str | None:
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        name = protected.get(".".join(parts[:length]))
        if name is not None:
            return text(f"fix.refused-{name}")
    return None


def at(config: Mapping[str, Any], dotted: str) -> Any:
    """The value of a dotted key; None where it is not there."""
    here: Any = config
    for key in dotted.split("."):
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def shown(value: object) -> str:
    """A value as it is shown to the user; None is what kunren decides."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return text("fix.left-open") if value is None else flow(value)


def checked(path: Path, merged: Merged, overrides: Sequence[str] = ()) -> Merged:
    """The same with only those changes that leave the config valid, tried one by one.

    Args:
        path: the YAML.
        merged: what is to be changed.
        overrides: what ``--set`` had changed of it before.

    Raises:
        InputError: it was not valid before.
    """
    load(path, overrides)
    good: list[Change] = []
    refused = list(merged.refused)
    for change in merged.changes:
        tried = Merged((*good, change)).overrides
        try:
            load(path, [*overrides, *tried])
        except InputError as error:
            reason = text("fix.refused-invalid", said="; ".join(map(str, error.problems)))
            refused += [Refused(slug, change.key, change.new, reason) for slug in change.slugs]
        else:
            good.append(change)
    return Merged(tuple(good), tuple(refused))


def untested(facts: Facts, before: Mapping[str, Any]) -> dict[str, Any]:
    """What the rules find where nobody has looked at the answers to the test rows.

    Scores and answers are taken out of the evidence before any rule sees it, so that a rule cannot
    use them by accident: what needs them is skipped.

    Args:
        facts: of the run folder.
        before: what was found before training.
    """
    blind = replace(facts, metrics=None, predictions=None, findings=None)
    return complete(before, Evidence.of_run(blind), (facts.config or {}).get("doctor", {}))
