"""The commands as a user calls them, on the tiny model; help and errors included."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.small import EMOJI, write_experiment

from kunren.cli import COMMANDS, main
from kunren.config.load import load
from kunren.messages import use_language
from kunren.plan import prepare
from kunren.presets import NAMES

DATA = Path(__file__).parents[2] / "examples" / "data"
PRESET_DATA = {
    "t5-emoji": "emoji_sets.jsonl",
    "gemma-chat": "dialogues.jsonl",
    "llama-qa": "company_qa.jsonl",
    "bert-headlines": "headlines.jsonl",
}


@pytest.fixture(autouse=True)
def _japanese() -> Any:
    yield
    use_language("ja")


@pytest.fixture
def experiment(tmp_path: Path, tiny_model: Path) -> Path:
    return write_experiment(tmp_path, tiny_model)


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from kunren.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    assert time.monotonic() - begun < 5  # not the claim of 0.5 s, but no import of torch either


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_in_both_languages(
    name: str, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Help texts are made when a module is first imported: a process of its own.
    done = subprocess.run(
        [sys.executable, "-m", "kunren", name, "--help", "--lang", language],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    japanese = any("\u3040" <= c <= "\u30ff" for c in done.stdout)
    assert japanese == (language == "ja")


def test_a_run_from_yaml_to_record_and_its_use(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert call("run", experiment, "--output", output, "--format", "json") == 0
    said = capsys.readouterr()
    told = json.loads(said.out)  # nothing but JSON on standard output
    run = Path(told["run"])
    assert set(told["systems"]) == {
        "base",
        "tuned",
        "few_shot",
        "majority",
        "tfidf_logreg",
        "nearest",
    }
    assert run.parent == output
    for name in (
        "config.yaml", "manifest.json", "train_log.csv", "eval_metrics.json", "predictions.jsonl",
        "predictions_sample.jsonl", "comparison.csv", "findings.json", "summary.md", "report.html",
        "charts/loss.png", "model/model.safetensors", "model/tokenizer.json",
    ):  # fmt: skip
        assert (run / name).is_file(), name
    assert not (run / "work").exists()
    assert json.loads((run / "status.json").read_text())["status"] == "finished"
    with (run / "train_log.csv").open(encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert header[:5] == ["epoch", "eval_loss", "learning_rate", "loss", "step"]
    config = (run / "config.yaml").read_text(encoding="utf-8")
    assert "分類: " in config  # the system prompt that was chosen is in the record
    assert "null" not in config.split("learning_rate:")[1].splitlines()[0]

    # Again from its own config: the same split, the same numbers.
    assert call("run", run / "config.yaml", "--output", output, "--format", "json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["run"] != told["run"]
    assert again["systems"] == told["systems"]
    old, new = (
        json.loads((Path(t["run"]) / "manifest.json").read_text(encoding="utf-8"))
        for t in (told, again)
    )
    assert old["data"]["fingerprint"] == new["data"]["fingerprint"]

    # The record is a pure function of the folder.
    before = (run / "summary.md").read_bytes(), (run / "report.html").read_bytes()
    assert call("report", run) == 0
    assert ((run / "summary.md").read_bytes(), (run / "report.html").read_bytes()) == before
    capsys.readouterr()

    # predict: in order, past a bad line, the labels of the set.
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"text": "うれしい"}\n{"text":\n{"text": "かなしい", "id": "b"}\n', "utf-8")
    assert call("predict", run, asked) == 1
    said = capsys.readouterr()
    results = [json.loads(line) for line in said.out.splitlines()]
    assert [r["line"] for r in results] == [1, 2, 3]
    assert results[0]["label"] in EMOJI
    assert 0 < results[0]["probability"] <= 1
    assert "error" in results[1]
    assert results[2]["id"] == "b"
    assert "2 行目" in said.err

    # The rows that were scored in the run get the same answer now.
    rows = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(row["text"] for row in rows), "utf-8")
    for system, options in (("tuned", ()), ("base", ("--base",))):
        assert call("predict", run, lines, *options) == 0
        results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for row, result in zip(rows, results, strict=True):
            assert result["label"] == row["systems"][system]["label"]
            expected = row["systems"][system]["probability"]
            assert result["probability"] == pytest.approx(expected, abs=0.02)

    # A finished run is not resumed.
    assert call("run", "--resume", run) == 2


def test_bad_input_is_told_all_at_once_and_nothing_is_written(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "あ", "label": "😀"}\n{"text": "い"\n{"text": "う", "label": "笑"}\n', "utf-8"
    )
    output = tmp_path / "out"
    assert call("run", experiment, "--output", output) == 2
    said = capsys.readouterr()
    assert "rows.jsonl:2" in said.err
    assert "rows.jsonl:3" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not output.exists()


def test_a_wrong_key_names_the_nearest(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = experiment.read_text("utf-8").replace("epochs", "epoch")
    experiment.write_text(content, "utf-8")
    assert call("run", experiment, "--output", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "tiny.yaml:5" in said
    assert "epochs" in said


def test_a_row_longer_than_the_limit_is_told_before_anything_is_written(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert call("run", experiment, "--output", output, "--set", "train.max_length=30") == 2
    said = capsys.readouterr().err
    assert "rows.jsonl:" in said
    assert "train.max_length" in said
    assert not output.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "a.yaml", "--resume", "b"),
        ("run", "--resume", "b", "--set", "train.epochs=1"),
        ("rnu",),
        ("report", "nowhere"),
        ("chat", "nowhere"),
        ("chat", "nowhere", "--history", "-1"),
        ("predict", "nowhere", "nofile"),
        ("models", "get", "nothing"),
    ],
)
def test_wrong_calls_exit_with_2_and_no_traceback(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    said = capsys.readouterr()
    assert said.err
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_non_finite_loss_stops_the_run_and_the_folder_says_so(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    overrides = ("--set", "train.learning_rate=1.0e30", "--set", "train.max_grad_norm=1.0e30")
    assert call("run", experiment, "--output", output, *overrides) == 1
    said = capsys.readouterr().err
    assert "rows.jsonl:" in said
    (run,) = output.iterdir()
    status = json.loads((run / "status.json").read_text())
    assert (status["status"], status["stage"]) == ("stopped", "train")
    assert not (run / "summary.md").exists()
    assert call("report", run) == 2
    assert call("predict", run, experiment) == 2


def test_chat_streams_and_ends_cleanly_at_the_end_of_input(
    experiment: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert call("run", experiment, "--output", output, "--set", "evaluate.generate=false") == 0
    (run,) = output.iterdir()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "kunren",
            "chat",
            str(run),
            "--history",
            "2",
            "--max-new-tokens",
            "4",
        ],
        input="うれしい\n\nかなしい\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "2 往復" in done.stderr
    assert done.stdout.endswith("\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_written_once_and_is_a_valid_config(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("init", "--preset", name) == 0
    assert f"kunren run {name}.yaml" in capsys.readouterr().out
    config = load(tmp_path / f"{name}.yaml").config
    assert config.name == name
    (tmp_path / f"{name}.yaml").write_text("mine", encoding="utf-8")
    assert call("init", "--preset", name) == 2
    assert "上書きはしません" in capsys.readouterr().err
    assert (tmp_path / f"{name}.yaml").read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_reads_the_rows_that_its_comment_shows(
    name: str, tmp_path: Path, tiny_model: Path
) -> None:
    config = tmp_path / f"{name}.yaml"
    assert call("init", config, "--preset", name) == 0
    data = tmp_path / load(config).config.data.train
    data.parent.mkdir()
    shutil.copy(DATA / PRESET_DATA[name], data)
    plan = prepare(load(config, [f"model.id={tiny_model}"]))
    assert all(plan.items[split] for split in ("train", "validation", "test"))


def test_init_lists_the_presets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call("init") == 0
    listed = capsys.readouterr().out
    assert all(f"kunren init --preset {name}" in listed for name in NAMES)
    assert call("init", tmp_path / "x.yaml") == 2
    assert call("init", "--preset", "t5-emoij") == 2
    assert not list(tmp_path.iterdir())
