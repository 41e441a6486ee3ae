from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest

from kunren.errors import InputError, Problem, TrainingStopped
from kunren.records import files
from kunren.records.folder import Run

DAY = date(2025, 12, 24)


def codes(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


def test_name_date_and_numbers(tmp_path: Path) -> None:
    made = [Run.create(tmp_path / "out", "感情", DAY).path.name for _ in range(3)]
    assert made == ["感情_20251224", "感情_20251224_2", "感情_20251224_3"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == made


def test_a_file_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a_20251224").write_text("mine", encoding="utf-8")
    assert Run.create(tmp_path, "a", DAY).path.name == "a_20251224_2"
    assert (tmp_path / "a_20251224").read_text(encoding="utf-8") == "mine"


def test_many_at_once_get_a_folder_each(tmp_path: Path) -> None:
    made: list[Run] = []
    threads = [
        threading.Thread(target=lambda: made.append(Run.create(tmp_path, "a", DAY)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.path for run in made}) == 12
    assert all(run.state.status == "running" for run in made)


def test_stages_and_the_end(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a", DAY)
    assert (run.state.status, run.state.stage) == ("running", "created")
    run.stage("train")
    run.store("base", [1, 2])
    assert Run.open(run.path).state.stage == "train"
    run.finish()
    state = Run.open(run.path).state
    assert (state.status, state.stage) == ("finished", "train")
    assert not (run.path / "work").exists()
    written = json.loads((run.path / "status.json").read_text(encoding="utf-8"))
    assert written["schema"] == 1
    assert written["pid"] == os.getpid()


def test_results_of_stages_are_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a", DAY)
    assert run.cached("base") is None
    run.store("base", {"x": [1.5, float("nan")], "y": "絵文字😀"})
    kept = Run.open(run.path).cached("base")
    assert kept["x"][0] == 1.5
    assert kept["x"][1] != kept["x"][1]
    assert kept["y"] == "絵文字😀"


CHILD = """
import sys, time
from datetime import date
from pathlib import Path
from kunren.records.folder import Run
run = Run.create(Path(sys.argv[1]), "a", date(2025, 12, 24))
run.store("base", 1)
run.stage("train")
print(run.path, flush=True)
time.sleep(60)
"""


def start(output: Path) -> tuple[subprocess.Popen[str], Path]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(output)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_a_killed_run_is_interrupted_and_can_be_resumed(tmp_path: Path) -> None:
    child, path = start(tmp_path)
    try:
        run = Run.open(path)
        assert run.state.status == "running"
        with pytest.raises(InputError) as error:
            run.resume()
        assert codes(error) == ["record.locked"]
        assert str(child.pid) in str(error.value)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert (run.state.status, run.state.stage) == ("interrupted", "train")
    run.resume()
    assert run.state.status == "running"
    assert run.state.pid == os.getpid()
    assert run.cached("base") == 1
    with pytest.raises(InputError):
        Run.open(path).resume()  # two of one process do not write one folder either
    run.finish()
    with pytest.raises(InputError) as error:
        Run.open(path).resume()
    assert codes(error) == ["record.already-finished"]


def test_a_folder_that_only_says_running_is_interrupted(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a", DAY)
    status = (run.path / "status.json").read_text(encoding="utf-8")
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "status.json").write_text(status, encoding="utf-8")
    assert Run.open(copied).state.status == "interrupted"


def test_watched_writes_down_how_it_ended(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a", DAY)
    run.stage("train")
    with pytest.raises(RuntimeError), run.watched():
        raise RuntimeError("壊れた")
    assert (run.state.status, run.state.error) == ("failed", "壊れた")
    assert run.state.codes == ("RuntimeError",)

    run.resume()
    assert run.state.error is None
    said: dict[str, object] = {"step": 3, "loss": "nan", "rows": "r1", "parameter": "w"}
    with pytest.raises(TrainingStopped), run.watched():
        raise TrainingStopped(Problem("train.non-finite", fields=said))
    assert (run.state.status, run.state.stage) == ("stopped", "train")
    assert run.state.codes == ("train.non-finite",)

    run.resume()
    with pytest.raises(KeyboardInterrupt), run.watched():
        raise KeyboardInterrupt
    assert run.state.status == "stopped"


def test_a_stage_change_is_durable_and_leaves_no_litter(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a", DAY)
    for stage in ("base", "train", "tuned"):
        run.stage(stage)
    assert {p.name for p in run.path.iterdir()} == {"status.json", "work"}


def test_opening_what_is_no_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "emotion_emoji", DAY)
    with pytest.raises(InputError) as error:
        Run.open(tmp_path / "emotion_emojj_20251224")
    assert codes(error) == ["record.not-there-but"]
    assert "emotion_emoji_20251224" in str(error.value)
    with pytest.raises(InputError) as error:
        Run.open(tmp_path / "全然違う")
    assert codes(error) == ["record.not-there"]
    with pytest.raises(InputError) as error:
        Run.open(tmp_path)
    assert codes(error) == ["record.not-a-run"]
    with pytest.raises(InputError) as error:
        Run.open(run.path / "status.json")
    assert codes(error) == ["record.is-a-file"]
    (run.path / "status.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError) as error:
        Run.open(run.path)
    assert codes(error) == ["record.broken-status"]
    assert error.value.exit_code == 2


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, {"x": float("nan")})
    assert files.read_json(path) == {"x": 1}
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        files.write_text(folder, "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "folder"]


def test_written_files_obey_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_jsonl_keeps_every_text(tmp_path: Path) -> None:
    rows = [{"t": "a\u2028b\u0085c\nd"}, {"t": "😀"}]
    files.write_jsonl(tmp_path / "a.jsonl", rows)
    assert files.read_jsonl(tmp_path / "a.jsonl") == rows
