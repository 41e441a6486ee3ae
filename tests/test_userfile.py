"""Every command reads the files that a user names without harm, and says what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kunren.cli import main
from kunren.messages import use_language
from kunren.scoring import arguments
from kunren.userfile import is_file, located, real


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    use_language("ja")
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def harmful(tmp_path: Path) -> Path:
    """A folder of files that would hang, fill the memory, or break a reader."""
    for name in ("pipe.jsonl", "pipe.csv", "pipe.json"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for name in ("deep.json", "deep.jsonl"):
        (tmp_path / name).write_text("[" * 100_000)
    for name in ("pointer.csv", "pointer.jsonl"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 3\n")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(40 * 2**30)
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "eval_metrics.json"):
        (tmp_path / "run" / name).write_text("[" * 50_000)
    (tmp_path / "run" / "train_log.csv").write_text("epoch,loss,eval_loss\n1,2.0,2.1\n")
    return tmp_path


def test_doctor(harmful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pipe.csv", "pipe.json", "deep.json", "pointer.csv", "huge.csv", "run"):
        code, _, said = call(capsys, "doctor", harmful / name)
        assert code == 2, name
        assert str(harmful / name) in said
        assert said.count("エラー") <= 2


def test_compare(harmful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "compare", harmful / "run")[0] == 2


def test_score(harmful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (harmful / "gold.jsonl").write_text('{"label": "良い"}\n{"label": "悪い"}\n', "utf-8")
    bad = ("pipe.jsonl", "loop.csv", "deep.jsonl", "pointer.jsonl", "huge.csv")
    for name in (*bad, "/dev/zero"):
        gold = ("--gold", harmful / "gold.jsonl")
        code, out, _ = call(capsys, "score", "--task", "classify", *gold, "--pred", harmful / name)
        assert (code, out) == (2, ""), name


def test_check(harmful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = harmful / "c.yaml"
    names = ("pipe.jsonl", "loop.csv", "deep.jsonl", "pointer.csv", "huge.csv", "/dev/zero",
             "~nobody-of-that-name/a.csv", "a" * 3000)  # fmt: skip
    for name in names:
        config.write_text(
            json.dumps(
                {"name": "a", "data": {"train": name}, "model": {"id": "scratch:bert-small"}}
            )
        )
        code, out, said = call(capsys, "check", config)
        assert (code, out) == (2, ""), name
        assert said.count("エラー") == 1


def test_score_says_how_it_read_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["良い", "悪い"] * 12
    gold = "結果一覧;\ntext;label\n" + "\n".join(f"文{n};{la}" for n, la in enumerate(labels))
    said = "text\tprediction\n" + "\n".join(f"文{n}\t{la}" for n, la in enumerate(labels))
    (tmp_path / "g.csv").write_text(gold, "utf-8")
    (tmp_path / "p.tsv").write_text(said.replace("文3", '"文3'), "utf-8")
    files = ("--gold", tmp_path / "g.csv", "--pred", tmp_path / "p.tsv", "--bootstrap", "100")
    code, out, _ = call(capsys, "score", "--task", "classify", *files, "--format", "json")
    told = json.loads(out)
    assert (code, told["rows"]) == (0, 24)
    for place in ("g.csv:2", "p.tsv:5"):
        assert any(place in note for note in told["notes"])


def test_a_list_of_labels_may_be_longer_than_a_name_of_a_file() -> None:
    labels = [f"ラベル{n}" for n in range(300)]
    assert arguments.label_set("、".join(labels), "auto") == labels
    assert not is_file(Path("、".join(labels)))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert real(tmp_path / "loop").endswith("loop")
    assert real(Path("a\0b")) == "a\0b"
    assert located(tmp_path, "~nobody-of-that-name/a") == tmp_path / "~nobody-of-that-name/a"
    assert located(tmp_path, "a.csv") == tmp_path / "a.csv"
