"""A config that was mended by the findings on it, written beside the one that it changes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from kunren.config.load import load
from kunren.config.patch import patch
from kunren.config.schema import Config
from kunren.doctor.cures import reconciled
from kunren.doctor.engine import diagnose, found_before
from kunren.doctor.fixes import GRAVE, Change, Merged, Refused, checked, untested
from kunren.messages import text
from kunren.records import files
from kunren.records.facts import Facts, read_facts
from kunren.tasks import make_task


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


def _write(
    path: Path,
    findings: Sequence[Mapping[str, Any]],
    followed: Callable[[Merged], Merged],
) -> Fixed:
    config = load(path).config.model_dump(mode="json")
    now, later = reconciled(findings, config)
    others = tuple(
        Refused(slug, change.key, change.new, text("fix.refused-later"))
        for one in later
        for change in one.changes
        for slug in change.slugs
    )
    merged = followed(checked(path, replace(now, refused=(*now.refused, *others))))
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
