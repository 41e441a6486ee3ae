"""Trackio: a run in a project of its local database.

Never anywhere else: what its environment variables say of Hugging Face Spaces, buckets, servers
and webhooks is put aside, and the Hugging Face hub, which it would ask for the user's name, is
offline for it. It swallows its own errors, so what it wrote is read back and counted.
"""

from __future__ import annotations

import os
import shlex
from importlib import import_module
from typing import Any

from kunren.export.content import Content
from kunren.export.run import Exported, Target

IDENTITY = "kunren.run"

_ELSEWHERE = (
    "TRACKIO_SPACE_ID",
    "TRACKIO_SERVER_URL",
    "TRACKIO_WRITE_TOKEN",
    "TRACKIO_BUCKET_ID",
    "TRACKIO_DATASET_ID",
    "TRACKIO_WEBHOOK_URL",
)


def export(content: Content, target: Target) -> Exported:
    """Write the run, unless it is there; one whose export was cut short is made anew."""
    for name in _ELSEWHERE:
        os.environ.pop(name, None)
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if target.folder is not None:
        os.environ["TRACKIO_DIR"] = str(target.folder.resolve())
    trackio = import_module("trackio")
    storage = import_module("trackio.sqlite_storage").SQLiteStorage
    storage.validate_project_name(target.project)
    lines = _lines(content)
    earlier = _earlier(trackio, storage, target, content)
    complete = [run for run in earlier if _count(storage, target, run) >= len(lines)]
    place = f"{import_module('trackio.utils').TRACKIO_DIR} › {target.project} › {content.name}"
    shown = f"trackio show --project {shlex.quote(target.project)}"
    if target.folder is not None:
        shown = f"TRACKIO_DIR={shlex.quote(str(target.folder))} {shown}"
    if complete and not target.replace:
        return Exported("already", place, shown)
    _write(trackio, storage, content, target, lines)
    # Only now, so that a failure leaves the earlier one.
    for run in earlier:
        storage.delete_run(target.project, run.name, run_id=run.id)
    return Exported("replaced" if complete else "written", place, shown)


def _earlier(trackio: Any, storage: Any, target: Target, content: Content) -> list[Any]:
    if target.project not in storage.get_projects():
        return []
    return [
        run
        for run in trackio.Api().runs(target.project)
        if (run.config or {}).get(IDENTITY) == content.identity
    ]


def _count(storage: Any, target: Target, run: Any) -> int:
    return len(storage.get_logs(target.project, run.name, run_id=run.id))


def _lines(content: Content) -> list[tuple[int, dict[str, float]]]:
    """The curves, and the results at the last step."""
    last = max((step for step, _ in content.curves), default=0)
    results = {f"results/{name}": value for name, value in content.results.items()}
    curves = [(step, dict(values)) for step, values in content.curves if values]
    return [*curves, (last, results)] if results else curves


def _write(
    trackio: Any,
    storage: Any,
    content: Content,
    target: Target,
    lines: list[tuple[int, dict[str, float]]],
) -> None:
    config = {IDENTITY: content.identity, **content.facts, **content.settings}
    run = trackio.init(
        project=target.project,
        name=content.name,
        config=config | {"kunren.verdict": content.verdict},
        resume="never",
        auto_log_gpu=False,
        auto_log_cpu=False,
        embed=False,
    )
    last = lines[-1][0] if lines else 0
    try:
        for step, values in lines:
            trackio.log(dict(values), step=step)
        trackio.log(_pages(trackio, content), step=last)
        files = trackio.Artifact(name=f"record-{content.identity}", type="record")
        for file in content.files:
            files.add_file(content.folder / file, name=file)
        if content.files:
            trackio.log_artifact(files)
    finally:
        trackio.finish()
    written = len(storage.get_logs(target.project, content.name, run_id=run.id))
    if written < len(lines):
        storage.delete_run(target.project, content.name, run_id=run.id)
        raise OSError(f"{written} of {len(lines)} log lines were stored")


def _pages(trackio: Any, content: Content) -> dict[str, Any]:
    """Verdict, findings, the record and its charts."""
    found = [f"- [{severity}] {message}" for severity, message in content.findings]
    pages: dict[str, Any] = {
        "record/verdict": trackio.Markdown("\n\n".join([content.verdict, "\n".join(found)]))
    }
    for file in content.files:
        path = content.folder / file
        if path.suffix == ".md":
            pages[f"record/{path.stem}"] = trackio.Markdown(path.read_text(encoding="utf-8"))
        elif path.suffix == ".png":
            pages[f"charts/{path.stem}"] = trackio.Image(path)
    return pages
