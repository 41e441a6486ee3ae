"""Standard streams that are closed, full or not UTF-8, and errors that nobody foresaw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kunren.cli import unforeseen
from kunren.errors import Problem, refused

ROWS = "\n".join(
    json.dumps(
        {"text": f"{n} 番目の文です", "label": "😂" if n % 2 else "良い"}, ensure_ascii=False
    )
    for n in range(20)
)
CONFIG = 'name: x\ndata: {train: rows.jsonl}\nmodel: {id: "scratch:bert-small"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    (tmp_path / "x.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def kunren(
    folder: Path, *arguments: str, closed: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command; ``closed``: what a shell does with its streams."""
    script = f'exec "$0" -m kunren "$@" {closed}'
    return subprocess.run(
        ["sh", "-c", script, sys.executable, *arguments],
        cwd=folder, capture_output=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )  # fmt: skip


def test_a_closed_standard_error_takes_nothing_from_the_result(folder: Path) -> None:
    whole = kunren(folder, "check", "x.yaml", "--format", "json")
    assert whole.returncode == 0, whole.stderr
    for closed in ("2>&-", "2>/dev/full", "2>&- <&-"):
        done = kunren(folder, "check", "x.yaml", "--format", "json", closed=closed)
        assert (done.returncode, done.stdout) == (0, whole.stdout), closed


def test_a_closed_standard_output_is_no_crash(folder: Path) -> None:
    done = kunren(folder, "check", "x.yaml", closed=">&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_standard_output_has_failed_and_says_so(folder: Path) -> None:
    done = kunren(folder, "--lang", "en", "check", "x.yaml", closed=">/dev/full")
    assert done.returncode == 1
    assert b"the disk is full" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_all_streams_closed(folder: Path) -> None:
    assert kunren(folder, "check", "x.yaml", closed="<&- >&- 2>&-").returncode == 0
    assert kunren(folder, "check", "nothing.yaml", closed="<&- >&- 2>&-").returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "latin-1"])
def test_json_stays_json_in_an_encoding_that_lacks_its_characters(
    folder: Path, encoding: str
) -> None:
    plain = kunren(folder, "check", "x.yaml", "--format", "json")
    other = kunren(folder, "check", "x.yaml", "--format", "json", PYTHONIOENCODING=encoding)
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout.decode(encoding)) == json.loads(plain.stdout)


def test_text_in_an_encoding_that_lacks_its_characters(folder: Path) -> None:
    done = kunren(folder, "check", "x.yaml", PYTHONIOENCODING="cp932")
    assert done.returncode == 0
    assert "\\ud83d\\ude02" in done.stdout.decode("cp932")


def test_a_reader_that_has_gone_is_nothing_to_tell(folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m kunren check x.yaml 2>err | head -c 10; cat err', sys.executable],
        cwd=folder, capture_output=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert b"Traceback" not in done.stdout
    assert b"Exception" not in done.stdout


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


def test_what_nobody_foresaw_is_one_message_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (problem,) = unforeseen.told(raised(lambda: dict[str, int]()["あ"])).problems
    assert problem.code == "cli.unforeseen"
    assert problem.fields["kind"] == "KeyError"
    log = Path(str(problem.fields["log"])).read_text(encoding="utf-8")
    assert "KeyError: 'あ'" in log
    assert "test_streams.py" in log
    assert str(problem)


def test_without_a_place_for_the_file_the_message_says_how_to_see_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    (problem,) = unforeseen.told(ValueError("x")).problems
    assert problem.fields["log"] == f"{unforeseen.DEBUG}=1"


def test_a_crash_of_the_command_itself(folder: Path) -> None:
    # A module that is broken stands for any fault of ours.
    (folder / "sitecustomize.py").write_text(
        "import kunren.plan\n"
        "def broken(*_):\n"
        "    raise KeyError('x')\n"
        "kunren.plan.prepare = broken\n"
    )
    path = os.pathsep.join([str(folder), *sys.path])
    done = kunren(folder, "check", "x.yaml", PYTHONPATH=path, TMPDIR=str(folder))
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert len(list(folder.glob("kunren_error_*.log"))) == 1
    debug = kunren(folder, "check", "x.yaml", PYTHONPATH=path, KUNREN_DEBUG="1")
    assert b"Traceback" in debug.stderr


def test_what_the_system_refuses_is_no_fault_of_ours() -> None:
    full = refused(OSError(28, "No space left on device", "/a/b"))
    assert [p.code for p in full.problems] == ["os.cannot-write"]
    assert str(full.problems[0].where) == "/a/b"
    denied = refused(PermissionError(13, "Permission denied", "/a/b"))
    assert [p.code for p in denied.problems] == ["os.refused"]
    assert isinstance(denied.problems[0].fields["reason"], Problem)
    odd = refused(OSError(9999, "odd"))
    assert odd.problems[0].fields["reason"] == "odd"
