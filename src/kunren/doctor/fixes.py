"""The patches of findings, made one change of the config.

A finding says ``{"set": {dotted key: value}}``. Several are brought together in the order of their
gravity, each key by its own rule where they differ, and what would choose among test rows is left
alone. The result is written beside the config that it changes, never over it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from kunren.config.load import load
from kunren.config.patch import flow, patch
from kunren.config.schema import Config, DataConfig
from kunren.doctor.engine import Evidence, complete, diagnose, found_before
from kunren.errors import InputError
from kunren.messages import text
from kunren.records import files
from kunren.records.facts import Facts, read_facts
from kunren.tasks import make_task

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


@dataclass(frozen=True, slots=True)
class Fixed:
    """A config that was mended.

    Attributes:
        source: the config that was read.
        path: the one that was written; None where nothing changes.
        diff: unified, from the one to the other.
        kept: whether the comments of the source are still there.
        merged: what was changed, and what not.
        open: messages of the grave findings that no change of the config mends.
        seen: slugs of the findings that were made on test rows.
    """

    source: Path
    path: Path | None
    diff: str
    kept: bool
    merged: Merged
    open: tuple[str, ...]
    seen: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "config": str(self.source),
            "fixed": None if self.path is None else str(self.path),
            "changes": [asdict(change) for change in self.merged.changes],
            "refused": [asdict(refused) for refused in self.merged.refused],
            "open": list(self.open),
            "seen_on_test_rows": list(self.seen),
            "comments_kept": self.kept,
            "diff": self.diff,
        }


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


def fix_file(path: Path, findings: Sequence[Mapping[str, Any]]) -> Fixed:
    """Write a mended copy of a YAML beside it: ``NAME.fixed.yaml`` (``NAME.fixed_2.yaml`` …).

    Raises:
        InputError: it is no valid config.
    """
    return _write(path, findings, lambda merged: merged)


def fix_run(folder: Path) -> Fixed:
    """Look at a run folder and write its mended config beside the old.

    Raises:
        InputError: not a run folder, or one without a config.
    """
    facts = read_facts(folder)
    found = diagnose(folder)["findings"]
    before = found_before(folder)
    told = [*before.get("findings", ()), *untested(facts, before)["findings"]]
    blind = {finding["slug"] for finding in told if finding["fix"]}
    fixed = _write(folder / "config.yaml", found, lambda merged: _followed(merged, facts))
    done = {slug for change in fixed.merged.changes for slug in change.slugs}
    return replace(fixed, seen=tuple(sorted(done - blind)))


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


def _write(
    path: Path,
    findings: Sequence[Mapping[str, Any]],
    followed: Callable[[Merged], Merged],
) -> Fixed:
    config = load(path).config.model_dump(mode="json")
    merged = followed(checked(path, merge(findings, config)))
    mended = {slug for change in merged.changes for slug in change.slugs}
    left = tuple(
        finding["message"]
        for finding in findings
        if finding["severity"] in GRAVE and finding["slug"] not in mended
    )
    if not merged.changes:
        return Fixed(path, None, "", True, merged, left)
    old = path.read_text(encoding="utf-8-sig")
    made = patch(old, merged.values)
    target = _free(path)
    files.write_text(target, made.text)
    return Fixed(path, target, _diff(old, made.text, path, target), made.kept, merged, left)


def _free(path: Path) -> Path:
    """The first name beside ``path`` that nothing has."""
    stem = path.stem.removesuffix(".fixed")
    names = (f"{stem}.fixed{f'_{n}' if n > 1 else ''}{path.suffix or '.yaml'}" for n in count(1))
    return next(made for name in names if not (made := path.with_name(name)).exists())


def _diff(old: str, new: str, before: Path, after: Path) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), before.name, after.name, lineterm=""
    )
    return "\n".join(lines) + "\n"


def _followed(merged: Merged, facts: Facts) -> Merged:
    """Lets kunren decide anew what it had decided by values that now change.

    A run's config shows its decisions as if the user had made them. A system prompt that names the
    labels must not name one that is taken out.
    """
    if facts.config is None or not merged.changes:
        return merged
    config, why = Config.model_validate(dict(facts.config)), (text("fix.follows"),)
    keys = {change.key for change in merged.changes}
    follows: list[Change] = []
    labels = (facts.metrics or {}).get("labels") or (facts.task or {}).get("labels")
    system = config.task.system
    named = labels and system and system == make_task(config.task).default_system(labels)
    if named and any(key.startswith("task.labels.") for key in keys):
        follows.append(Change("task.system", system, None, (), why))
    early, epochs = config.train.early_stopping, config.train.epochs
    if early is not None and "train.epochs" in keys and early.patience == max(3, epochs // 4):
        follows.append(Change("train.early_stopping.patience", early.patience, None, (), why))
    return replace(merged, changes=(*merged.changes, *follows))
