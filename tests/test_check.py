"""``kunren check``: the same reading of rows as training, without a model, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.small import write_experiment
from tests.tiny_models import save_tiny

from kunren import check, check_report, duration
from kunren.check_preview import preview
from kunren.cli import main
from kunren.config.load import load
from kunren.doctor.engine import BEFORE, diagnose
from kunren.doctor.look import look
from kunren.errors import InputError
from kunren.messages import use_language
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.ready import make_ready
from kunren.types import Example

KINDS = {"gemma": "causal", "llama": "causal", "t5": "seq2seq", "bert": "encoder"}


@pytest.fixture(scope="module", params=list(KINDS))
def experiment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return write_experiment(folder, save_tiny(request.param, folder / "model"))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_experiment(tmp_path, save_tiny("gemma", tmp_path / "model"))


def checked(config: Path, *overrides: str, **options: Any) -> check.Checked:
    return check.check(config, overrides, Silent(), **options)


def slugs(found: check.Checked) -> set[str]:
    return {finding["slug"] for finding in found.found["findings"]}


def test_it_reads_rows_as_training_does(experiment: Path) -> None:
    found = checked(experiment)
    ready = make_ready(prepare(load(experiment, ())), Silent())
    assert found.reading is not None
    assert found.reading.family.name == KINDS[experiment.parent.name[:-1]]
    assert found.reading.examples == ready.examples
    assert found.plan.config == ready.plan.config
    sizes, model = found.reading.sizes, ready.family.loaded.model
    assert sizes is not None
    assert sizes.rows == model.get_input_embeddings().num_embeddings
    body = sum(p.numel() for name, p in model.named_parameters() if "classifier" not in name)
    assert abs(sizes.total - body) < 0.2 * body  # a head is new, and a language head is dropped
    before = check.before_training(ready)
    known = {"padding-in-loss"}
    assert {f["slug"] for f in before["findings"]} == slugs(found)
    assert {q["slug"] for q in before["quiet"]} == {q["slug"] for q in found.found["quiet"]} | known


def test_it_imports_no_model(experiment: Path) -> None:
    """Of transformers only what tokenizers need, of SciPy what is asked for when scores are."""
    script = (
        "import sys\nfrom kunren.cli import main\n"
        "try:\n    main(['check', sys.argv[1], '--format', 'json'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "slow = ('torch', 'sklearn', 'pandas', 'matplotlib', 'scipy.stats', 'scipy.sparse')\n"
        "found = [name for name in slow if name in sys.modules]\n"
        "found += [name for name in sys.modules if '.modeling_' in name]\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(experiment)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tokens"]["looked_at"] == 24
    assert told["time"]["basis"] == "estimated"


def test_the_preview_marks_the_answer_and_its_end(tiny: Path) -> None:
    found = checked(tiny)
    assert found.reading is not None
    for row in preview(found.plan, found.reading):
        item = next(i for i in found.plan.items["train"] if i.row_id == row.row_id)
        trained = [piece.text for piece in row.read if piece.trained]
        assert trained == [item.answer, "<end_of_turn>"]
        read = "".join(piece.text for piece in row.read if not piece.trained)
        assert item.text in read
        assert read.startswith("<bos><start_of_turn>user↵")


def test_a_long_prompt_is_cut_in_the_middle(tiny: Path) -> None:
    found = checked(tiny, f"task.system={'あ' * 300}")
    assert found.reading is not None
    (row, *_) = preview(found.plan, found.reading)
    said = check_report.drawn(row.read)
    assert "個省略" in said
    assert said.endswith("⟦<end_of_turn>⟧")
    assert len(check_report.elided(row.read)) < 100


def test_labels_that_cannot_be_written_and_the_patch(tmp_path: Path) -> None:
    config = write_experiment(tmp_path, save_tiny("gemma", tmp_path / "model"))
    rows = (tmp_path / "rows.jsonl").read_text("utf-8").replace("😀", "<unk>")
    (tmp_path / "rows.jsonl").write_text(rows.replace("😢", "<eos>"), encoding="utf-8")
    found = checked(config, "task.labels.kind=text")
    (finding,) = [f for f in found.found["findings"] if f["slug"] == "label-roundtrip"]
    assert finding["severity"] == "critical"
    assert "<eos>" in finding["message"]


def test_a_tokenizer_with_more_tokens_than_embeddings(tiny: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.parent / "model"
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|q|>", "<|a|>"]})
    tokenizer.save_pretrained(folder)
    found = checked(tiny)
    (finding,) = [f for f in found.found["findings"] if f["slug"] == "vocabulary-mismatch"]
    assert finding["severity"] == "critical"
    assert finding["evidence"]["without"] == ["<|a|>", "<|q|>"]


def test_without_the_model_the_rest_is_told(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUNREN_HOME", str(tmp_path / "nothing"))
    found = checked(tiny, "model.id=package:gemma-3-270m")
    assert found.reading is None
    told = check_report.as_json(found, tmp_path)
    assert told["rows"]["train"] == 12
    assert told["steps"] is None
    reasons = {rule["slug"]: rule["reason"] for rule in told["skipped"]}
    assert "kunren models get gemma-3-270m" in reasons["vocabulary-mismatch"]
    assert not list(tmp_path.glob("nothing/**/*.safetensors"))


def test_a_rule_that_does_not_exist(tiny: Path) -> None:
    with pytest.raises(InputError) as error:
        checked(tiny, select=["learning-rat"])
    (problem,) = error.value.problems
    assert problem.code == "check.no-rule-near"
    assert problem.fields["near"] == "learning-rate"
    only = checked(tiny, select=["long-warmup"]).found
    assert [rule["slug"] for rule in only["quiet"]] == ["long-warmup"]


def test_exit_codes_and_formats(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        use_language("ja")
        with pytest.raises(SystemExit) as end:
            main(["check", str(tiny), *arguments])
        return int(end.value.code or 0), capsys.readouterr().out

    high = ("--set", "train.learning_rate=0.5", "--select", "learning-rate")
    assert said(*high)[0] == 0
    assert said(*high, "--fail-on", "critical")[0] == 0
    code, shown = said(*high, "--fail-on", "warning")
    assert code == 1
    assert "注意  learning-rate (M011)" in shown
    assert "--set train.learning_rate=3e-05" in shown
    code, shown = said("--format", "json")
    assert code == 0
    assert json.loads(shown)["labels"]["😀"] == [4, 2, 2]
    code, shown = said("--format", "markdown")
    assert "# tiny: 学習前の確認" in shown
    assert "    <bos>|<start_of_turn>|" in shown
    assert said("--set", "train.epochs=none")[0] == 2


def test_a_run_keeps_what_was_found_before_it(tiny: Path, tmp_path: Path) -> None:
    from kunren import experiment

    lines: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            lines.append(line)

    overrides = ["train.learning_rate=0.004", "evaluate.generate=false"]
    result = experiment.run(tiny, overrides, tmp_path / "out", Heard())
    assert any("learning-rate" in line for line in lines)
    before = json.loads((result.folder / BEFORE).read_text("utf-8"))
    assert "learning-rate" in {f["slug"] for f in before["findings"]}
    assert "padding-in-loss" in {rule["slug"] for rule in before["quiet"]}
    stored = json.loads((result.folder / "findings.json").read_text("utf-8"))
    assert "learning-rate" in {f["slug"] for f in stored["findings"]}
    experiment.report(result.folder)
    again = diagnose(result.folder)
    assert again == stored
    shown = look(result.folder)  # what ``kunren doctor RUN`` shows, and its --select and --ignore
    assert {k: shown[k] for k in again} == again
    assert [f["slug"] for f in look(result.folder, ["learning-rate"])["findings"]] == [
        "learning-rate"
    ]
    left = look(result.folder, ignore=["learning-rate"])
    assert "learning-rate" not in {f["slug"] for f in left["findings"]}
    assert "learning-rate" in {rule["slug"] for rule in left["ignored"]}
    every = [rule["slug"] for kind in again.values() for rule in kind]
    assert len(every) == len(set(every))
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    planned = check_report.as_json(checked(tiny, *overrides), tmp_path / "out")
    assert manifest["training"]["steps"] == planned["steps"]["total"]
    assert planned["time"]["basis"] == "measured"
    assert planned["time"]["run"] == result.folder.name


def test_an_empty_loss_mask_stops_a_run_before_it_begins(
    tiny: Path,
) -> None:
    from dataclasses import replace

    ready = make_ready(prepare(load(tiny, ())), Silent())
    (first, *rest) = ready.examples["train"]
    assert isinstance(first, Example)
    cut = replace(first, trained=(False,) * len(first.input_ids))
    broken = replace(ready, examples={**ready.examples, "train": [cut, *rest]})
    with pytest.raises(InputError) as error:
        check.before_training(broken)
    assert [p.fields["slug"] for p in error.value.problems] == ["empty-loss-mask"]


def test_of_very_many_rows_the_longest_are_read(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST_ROWS", 6)
    found = checked(tiny)
    assert found.reading is not None
    assert not found.reading.whole
    train = found.plan.rows["train"]
    longest = max(train, key=lambda row: sum(len(m.content) for m in row.messages))
    read = [example.row_id for example in found.reading.examples["train"]]
    assert longest.id in read
    assert len(read) < len(train)


def test_of_very_long_rows_fewer_are_read(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MOST_ROWS", 40)
    whole = checked(tiny)
    assert whole.reading is not None
    assert whole.reading.whole
    monkeypatch.setattr(check, "MOST_CHARACTERS", 36)
    found = checked(tiny)
    assert found.reading is not None
    assert not found.reading.whole
    for name, rows in found.plan.rows.items():
        read = {example.row_id for example in found.reading.examples[name]}
        longest = max(rows, key=lambda row: sum(len(m.content) for m in row.messages))
        assert longest.id in read
        assert len(read) < len(rows)


def test_the_time_grows_with_the_work_and_shrinks_with_threads(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duration, "_speed", lambda: 1e9)

    def seconds(*overrides: str) -> duration.Duration:
        found = checked(tiny, *overrides)
        told = duration.expected(found.plan, found.reading, tmp_path)
        assert told is not None
        assert told.basis == "estimated"
        assert 0 < told.low < told.high
        return told

    once, twice = seconds("train.epochs=1"), seconds("train.epochs=2")
    assert twice.low == pytest.approx(2 * once.low)
    assert twice.high == pytest.approx(2 * once.high)
    lora = seconds("train.epochs=1", "tuning.kind=lora")
    assert lora.low < once.low
    monkeypatch.setattr(check, "MOST_ROWS", 4)  # the longest ones are among them
    assert seconds("train.epochs=1").low == pytest.approx(once.low, rel=0.2)


def test_the_speed_of_a_machine_is_of_the_threads_it_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duration, "machine", lambda: {"usable_cores": 8, "cores": 8})
    monkeypatch.setattr(duration, "_seconds_of_product", lambda: 0.5)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    whole = duration._speed()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert duration._speed() == whole / 4
