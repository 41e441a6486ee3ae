"""TensorBoard: event files in a folder of the run's name.

They are written beside their place and moved there when they are complete, so that a folder of
that name is always a whole export.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from kunren.export.content import Content
from kunren.export.run import Exported, Target

MARK = "kunren.json"
"""Says which run a folder is of; TensorBoard reads event files alone."""

_SHOWN = (".png", ".md")


def export(content: Content, target: Target) -> Exported:
    """Write the run's folder, unless it is there."""
    root = target.folder or Path("runs")
    parent = root / target.project
    place = _place(parent, content)
    view = f"tensorboard --logdir {shlex.quote(str(root))}"
    left_out = tuple(file for file in content.files if Path(file).suffix not in _SHOWN)
    there = place.exists()
    if there and not target.replace:
        return Exported("already", str(place), view, left_out)
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".kunren-") as beside:
        made = Path(beside) / "run"
        _write(made, content)
        if there:
            place.rename(Path(beside) / "old")
        made.rename(place)
    return Exported("replaced" if there else "written", str(place), view, left_out)


def _place(parent: Path, content: Content) -> Path:
    """The run's folder; another run's of the same name is left alone."""
    plain = parent / content.name
    if not plain.exists() or _identity(plain) == content.identity:
        return plain
    return parent / f"{content.name}_{content.identity}"


def _identity(folder: Path) -> str | None:
    try:
        said = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said.get("run") if isinstance(said, dict) else None


def _write(folder: Path, content: Content) -> None:
    writer: Any = import_module("torch.utils.tensorboard").SummaryWriter(str(folder))
    try:
        for step, values in content.curves:
            for name, value in values.items():
                writer.add_scalar(name, value, step, walltime=content.ended)
        for name, value in content.results.items():
            writer.add_scalar(f"results/{name}", value, 0, walltime=content.ended)
        pages = {
            "verdict": content.verdict,
            "findings": "\n".join(f"- [{severity}] {said}" for severity, said in content.findings),
            "settings": _table({**content.facts, **content.settings}),
        }
        for file in content.files:
            path = content.folder / file
            if path.suffix == ".png":
                pixels = import_module("matplotlib.image").imread(path)
                writer.add_image(path.stem, pixels, 0, content.ended, dataformats="HWC")
            elif path.suffix == ".md":
                pages[path.stem] = path.read_text(encoding="utf-8")
        for name, page in pages.items():
            if page:
                writer.add_text(name, page, 0, content.ended)
    finally:
        writer.close()
    for number, path in enumerate(sorted(folder.glob("events.out.tfevents.*"))):
        # TensorBoard puts the machine's name there; a record tells nobody where it was made.
        path.rename(folder / f"events.out.tfevents.{int(content.ended)}.kunren.{number}")
    said = json.dumps({"run": content.identity, "name": content.name}, ensure_ascii=False)
    (folder / MARK).write_text(said + "\n", encoding="utf-8")
    if not any(folder.glob("events.out.tfevents.*")):
        shutil.rmtree(folder)
        raise OSError("no event file was written")


def _table(pairs: dict[str, str]) -> str:
    lines = [f"| {key} | {_cell(value)} |" for key, value in pairs.items()]
    return "\n".join(["| key | value |", "|---|---|", *lines])


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").split())
