"""What ``kunren doctor RUN --fix`` does and shows."""

from __future__ import annotations

from pathlib import Path

from kunren.cli.console import emit_json, show, table
from kunren.doctor.fixes import shown
from kunren.doctor.mended import Fixed, fix_run
from kunren.messages import text


def fix(run: Path, format_: str) -> None:
    """Write the mended config of a run folder and tell what changed, as text or JSON.

    Raises:
        InputError: not a run folder, or one without a config.
    """
    fixed = fix_run(run)
    if format_ == "json":
        emit_json(fixed.as_json())
        return
    _show(fixed)


def _show(fixed: Fixed) -> None:
    merged = fixed.merged
    if fixed.path is None:
        show(text("fix.nothing"))
    else:
        columns = [text(f"fix.{name}") for name in ("key", "before", "after", "mends")]
        rows = [
            [c.key, shown(c.old), shown(c.new), ", ".join(c.slugs) or text("fix.follows-short")]
            for c in merged.changes
        ]
        table(text("fix.changes"), columns, rows)
        for change in merged.changes:
            show(*(f"- {slug}: {why}" for slug, why in zip(change.slugs, change.why, strict=False)))
        show("", fixed.diff.rstrip())
    if merged.refused:
        show("", text("fix.refused"))
        show(*(f"- {r.slug}: {r.key} → {shown(r.new)}: {r.reason}" for r in merged.refused))
    if fixed.open:
        show("", text("fix.open"), *(f"- {message}" for message in fixed.open))
    if fixed.path is None:
        return
    show("")
    if not fixed.kept:
        show(text("fix.comments-lost"))
    if fixed.seen:
        show(text("fix.seen", slugs=", ".join(fixed.seen)))
    show(text("fix.written", path=fixed.path, source=fixed.source.name))
    show(text("fix.run-it", path=fixed.path))
