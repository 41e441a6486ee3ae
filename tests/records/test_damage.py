"""Run folders that were damaged, edited, or lie on a disk that is full or read-only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.records import handmade

from kunren.errors import InputError
from kunren.records import files, provenance
from kunren.records.facts import read_facts
from kunren.records.folder import Run, check_output

JSON = ("manifest.json", "eval_metrics.json", "findings.json")
CONTENT = {
    "empty": b"",
    "cut": b'{"schema": 1, "systems": {"tu',
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "not UTF-8": b'{"a": "\x82\xa0"}',
    "zeroes": bytes(100),
    "a page": b"<!DOCTYPE html>",
}


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("content", CONTENT)
def test_a_damaged_file_is_one_problem_with_its_name(
    tmp_path: Path, name: str, content: str
) -> None:
    run = handmade.make(tmp_path)
    (run / name).write_bytes(CONTENT[content])
    with pytest.raises(InputError) as caught:
        read_facts(run)
    (problem,) = caught.value.problems
    assert problem.code == "record.broken-file"
    assert problem.where is not None
    assert problem.where.path == str(run / name)
    assert str(problem)


@pytest.mark.parametrize("content", [*CONTENT.values(), b'{"status": "fine"}', b'{"status": []}'])
def test_a_damaged_state(tmp_path: Path, content: bytes) -> None:
    run = handmade.make(tmp_path)
    (run / "status.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        Run.open(run)
    assert [p.code for p in caught.value.problems] == ["record.broken-status"]


def test_a_line_of_predictions_is_named(tmp_path: Path) -> None:
    run = handmade.make(tmp_path)
    path = run / "predictions.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], *lines[2:]]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_facts(run)
    assert caught.value.problems[0].where is not None
    assert caught.value.problems[0].where.line == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b'{"sha256": "0", "result": [1]}',
        b'{"result": [1]}',
        b"[1]",
        b'{"sha256": 3, "result": {"a": 1}}',
    ],
)
def test_a_damaged_result_of_a_stage_is_as_none(tmp_path: Path, damage: bytes) -> None:
    run = Run(tmp_path)
    result = {"答え": [1.5, None, float("nan")], "b": {"c": "😀"}}
    run.store("base", result)
    assert json.dumps(run.cached("base")) == json.dumps(result)
    (tmp_path / "work" / "base.json").write_bytes(damage)
    assert run.cached("base") is None


def test_a_result_that_was_edited_is_as_none(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store("base", {"accuracy": 0.5})
    path = tmp_path / "work" / "base.json"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    assert run.cached("base") is None


def sealed_run(folder: Path) -> Path:
    run = handmade.make(folder)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["artefacts"] = provenance.artefacts(run)
    files.write_json(run / "manifest.json", manifest)
    return run


def test_what_a_record_is_made_from_must_be_what_the_run_ended_with(tmp_path: Path) -> None:
    run = sealed_run(tmp_path)
    provenance.check_sources(run)
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "\n# a note\n", encoding="utf-8")
    (run / "predictions.jsonl").unlink()
    with pytest.raises(InputError) as caught:
        provenance.check_sources(run)
    assert [(p.code, Path(p.where.path).name) for p in caught.value.problems if p.where] == [
        ("record.changed-file", "config.yaml"),
        ("record.gone-file", "predictions.jsonl"),
    ]


def test_without_its_manifest_nothing_can_be_compared(tmp_path: Path) -> None:
    run = sealed_run(tmp_path)
    (run / "manifest.json").unlink()
    with pytest.raises(InputError) as caught:
        provenance.check_sources(run)
    assert [p.code for p in caught.value.problems] == ["record.gone-file"]


def test_notes_and_pictures_may_change(tmp_path: Path) -> None:
    run = sealed_run(tmp_path)
    (run / "summary.md").write_text("私のメモ", encoding="utf-8")
    (run / "report.html").write_text("x", encoding="utf-8")
    provenance.check_sources(run)


FORMULAS = ["=1+1", "+81", "-1", "@user 元気？", "\t=1", " =cmd|' /C calc'!A0", "＝１", "\n=1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_is_run_by_a_spreadsheet(cell: str) -> None:
    written = files.csv_text([{"a": cell, "b": -1.5}], ["a", "b"])
    import csv
    import io

    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row == {"a": f"'{cell}", "b": "-1.5"}


@pytest.mark.parametrize("cell", ["今日は-5度", "a=b", "'quoted", "(^^)", ""])
def test_other_cells_stay(cell: str) -> None:
    assert files.csv_text([{"a": cell}], ["a"]) in (f"a\n{cell}\n", 'a\n""\n')


LIMITED = """
import resource, sys
from datetime import date
from pathlib import Path
from kunren.errors import KunrenError
from kunren.records.folder import Run

run = Run.create(Path(sys.argv[1]), "x", date(2026, 12, 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
with run.watched():
    run.store("big", ["x"] * 100_000)
"""


def test_a_run_that_cannot_write_has_failed_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), "2000"],
        capture_output=True, check=False, timeout=60, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "OSError" in done.stderr
    (run,) = tmp_path.iterdir()
    state = Run.open(run).state
    assert (state.status, state.codes) == ("failed", ("os.cannot-write",))
    assert not list((run / "work").glob(".*.tmp"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB of our own, where this process may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("this process may not mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(run: Run) -> None:
    for number in range(100):
        run.store(f"result-{number}", ["x"] * 1000)


def test_on_a_full_disk_the_state_is_written_over_in_place(disk: Path) -> None:
    from datetime import date

    run = Run.create(disk, "x", date(2026, 12, 1))
    (disk / "filler").write_bytes(bytes(16 * 1024))
    with pytest.raises(OSError, match="No space left"), run.watched():
        fill(run)
    state = Run.open(run.path).state
    assert (state.status, state.codes) == ("failed", ("os.cannot-write",))
    (disk / "filler").unlink()
    run.resume()
    assert run.state.status == "running"
    run.finish()


def test_a_folder_that_cannot_be_begun_leaves_nothing(disk: Path) -> None:
    from datetime import date

    with pytest.raises(OSError, match="No space left"):
        Run.create(disk, "x", date(2026, 12, 1), {"config.yaml": "x" * 100_000})
    assert list(disk.iterdir()) == []


def test_a_read_only_disk(disk: Path) -> None:
    from datetime import date

    run = Run.create(disk, "x", date(2026, 12, 1))
    run.pause("enough")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert Run.open(run.path).state.status == "stopped"
    with pytest.raises(InputError) as caught:
        check_output(disk / "outputs" / "experiments")
    assert [p.code for p in caught.value.problems] == ["record.output-not-writable"]


def test_output_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(InputError) as caught:
        check_output(tmp_path / "outputs" / "experiments")
    assert [p.code for p in caught.value.problems] == ["record.output-is-file"]
    check_output(tmp_path / "new" / "folder")


def test_the_loser_of_two_names_the_winner_or_nobody(tmp_path: Path) -> None:
    from datetime import date

    run = Run.create(tmp_path, "x", date(2026, 12, 1))
    status = run.path / "status.json"
    with pytest.raises(InputError) as caught:
        Run.open(run.path).resume()
    assert caught.value.problems[0].fields["pid"] == os.getpid()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    held = json.loads(status.read_text()) | {"pid": gone.pid}
    status.write_text(json.dumps(held))
    with pytest.raises(InputError) as caught:
        Run.open(run.path).resume()
    assert [p.code for p in caught.value.problems] == ["record.locked-unknown"]
