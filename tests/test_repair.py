"""``kunren run --fix``: from a faulty config to a record that tells how it was mended."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tests.cli.test_cli import call
from tests.doctor.mending import sparkling
from tests.forked import ask_forked_process
from tests.small import TEXTS, write_experiment
from tests.tiny_models import save_tiny

from kunren import experiment, repair
from kunren.attempt import Attempt
from kunren.doctor.fixes import Merged
from kunren.errors import InputError, TrainingStopped
from kunren.models import verify
from kunren.progress import Silent

FAST = (
    "train={epochs: 3, learning_rate: 0.01, metric: loss, schedule: constant, batch_size: 4}",
    "tuning.train_embeddings=true",
    "evaluate.generate=false",
)
"""A training that is cut short: the loss on the validation rows still falls by a third an epoch."""


class Spoken(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


TINY = 'doctor: {ignore: {learning-rate: "a tiny untrained model needs a high one"}}\n'


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    return patient(write_experiment(tmp_path, tiny_model))


def patient(config: Path) -> Path:
    """The same, not to be mended for a learning rate that the tiny model needs."""
    config.write_text(config.read_text("utf-8") + TINY, "utf-8")
    return config


def story(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "repair.json").read_text("utf-8"))
    return found


def mend(config: Path, output: Path, *overrides: str, most: int = 2) -> Path:
    return repair.run(config, overrides, output, Silent(), most).folder


def test_a_run_that_ended_too_soon_is_trained_longer_and_its_record_tells(
    config: Path, tmp_path: Path
) -> None:
    spoken = Spoken()
    result = repair.run(config, FAST, tmp_path / "out", spoken, 1)
    told = story(result.folder)
    first, second = told["attempts"]
    assert "still-improving" in [f["slug"] for f in first["findings"]]
    (change,) = first["changes"]
    assert (change["key"], change["old"], change["new"]) == ("train.epochs", 3, 6)
    assert second["value"] < first["value"]  # the loss on the validation rows
    assert second["changes"] == []
    assert told["chosen"] == 1
    assert result.folder.name == second["run"]
    assert any("train.epochs: 3 → 6" in line for line in spoken.lines)
    said = (result.folder / "summary.md").read_text("utf-8")
    assert "## 修復の経過" in said
    assert "| 1 → 2 | train.epochs | 3 | 6 | still-improving: 検証損失は最後まで" in said
    assert "試行 2 を一度だけ" in said
    experiment.report(result.folder)  # rendered again from the facts alone
    assert (result.folder / "summary.md").read_text("utf-8") == said
    assert "修復の経過" in (result.folder / "report.html").read_text("utf-8")


def test_a_dominating_label_and_an_endless_warm_up_are_mended_without_help(tmp_path: Path) -> None:
    """Two of seed 001's faults: one label in most sets, and a warm-up longer than the training."""
    config = patient(sparkling(tmp_path, save_tiny("bert", tmp_path / "bert")))
    result = repair.run(config, (), tmp_path / "out", Silent(), 1)
    told = story(result.folder)
    first = told["attempts"][0]
    assert "validation-collapse" in [f["slug"] for f in first["findings"]]
    changed = {change["key"]: change["new"] for change in first["changes"]}
    assert changed["task.labels.ban"] == ["✨"]
    assert changed["train.warmup"] == 0.1
    assert told["chosen"] == 1
    systems = result.metrics["systems"]
    gains = [systems[name]["jaccard"]["value"] for name in ("tuned", "constant")]
    assert gains[0] > gains[1]
    said = (result.folder / "summary.md").read_text("utf-8")
    assert "| 1 → 2 | task.labels.ban | [] | [✨] | validation-collapse: " in said
    (warmup,) = [line for line in said.splitlines() if "| train.warmup | 5000 | 0.1 |" in line]
    assert warmup.startswith("| 1 → 2 |")
    assert "long-warmup: " in warmup
    assert "validation-collapse: " in warmup


def test_only_the_attempt_that_is_kept_is_scored_on_the_test_rows(
    config: Path, tmp_path: Path
) -> None:
    kept = mend(config, tmp_path / "out", *FAST, most=1)
    (other,) = (p for p in (tmp_path / "out").iterdir() if p != kept)
    assert (kept / "eval_metrics.json").is_file()
    assert not (other / "eval_metrics.json").exists()
    assert not (other / "predictions.jsonl").exists()
    assert "テストデータでは評価していません" in (other / "summary.md").read_text("utf-8")
    # Nothing of it is lost, though: who wants to know goes on with it.
    assert experiment.resume(other, Silent()).metrics["rows"] == 6


def test_shuffled_test_labels_change_no_decision(config: Path, tmp_path: Path) -> None:
    """The test rows have a file of their own; only their labels differ between the two repairs."""
    labels = [emoji for emoji in TEXTS for _ in range(3)]
    texts = [f"{text}だよ" for found in TEXTS.values() for text in found[:3]]
    told = []
    for seed in (None, 1):
        if seed is not None:
            random.Random(seed).shuffle(labels)
        rows = (
            json.dumps({"text": t, "label": la}, ensure_ascii=False)
            for t, la in zip(texts, labels, strict=True)
        )
        (tmp_path / "test.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
        named = f"data.test={tmp_path / 'test.jsonl'}"
        folder = mend(config, tmp_path / f"out{seed}", *FAST, named, most=1)
        lines = (folder / "predictions.jsonl").read_text("utf-8").splitlines()
        told.append((story(folder), [json.loads(line)["gold"] for line in lines]))
    assert len(told[0][0]["attempts"]) == 2
    assert told[0][0] == told[1][0]
    assert told[0][1] != told[1][1]


def test_a_training_that_a_guard_stopped_is_mended(config: Path, tmp_path: Path) -> None:
    folder = mend(config, tmp_path / "out", "train.precision=fp16", "train.learning_rate=100")
    first, *_, last = story(folder)["attempts"]
    assert "有限" in first["error"]
    assert "non-finite" in [f["slug"] for f in first["findings"]]
    changed = {change["key"]: change["new"] for change in first["changes"]}
    assert changed == {"train.learning_rate": 3e-5, "train.precision": "fp32"}
    assert last["error"] is None
    said = (folder / "summary.md").read_text("utf-8")
    assert "学習が途中で止まった、non-finite" in said


def test_where_no_attempt_comes_to_its_end_the_last_record_tells(tmp_path: Path) -> None:
    # A weight so large that the logits overflow: no lower rate and no other precision helps.
    weights = save_tiny("gemma", tmp_path / "broken") / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"][0] = 3e38
    tensors["model.embed_tokens.weight"][:, 0] = 100.0
    save_file(tensors, weights, {"format": "pt"})
    config = write_experiment(tmp_path, weights.parent)
    with pytest.raises(TrainingStopped):
        mend(config, tmp_path / "out", most=1)
    last = max((tmp_path / "out").iterdir())
    assert "学習を最後まで終えた試行はありませんでした" in (last / "summary.md").read_text("utf-8")
    assert len(story(last)["attempts"]) == 2


class Interrupted(Exception):  # noqa: N818
    pass


class Interrupting(Silent):
    """Breaks off at the ``nth`` stage whose name has ``word`` in it."""

    def __init__(self, word: str, nth: int) -> None:
        self.word, self.left = word, nth

    def stage(self, name: str, total: float | None):  # type: ignore[no-untyped-def]
        self.left -= self.word in name
        if not self.left:
            self.left = -1
            raise Interrupted
        return super().stage(name, total)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A repair that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    config = patient(write_experiment(folder, tiny_model))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(verify, "_ask_fresh_process", ask_forked_process)
        return repair.run(config, FAST, folder / "out", Silent(), 1).folder


@pytest.mark.parametrize(
    ("word", "nth"), [("照合", 1), ("モデルを読み込み", 2), ("学習", 2), ("学習後", 1)]
)
def test_an_interrupted_repair_goes_on_and_comes_to_the_same(
    config: Path, whole: Path, tmp_path: Path, word: str, nth: int
) -> None:
    """In the first attempt, before the second, within the second, and while the best is scored."""
    with pytest.raises(Interrupted):
        repair.run(config, FAST, tmp_path / "out", Interrupting(word, nth), 1)
    folder = min((tmp_path / "out").iterdir())  # the first: what a user may well name
    if word == "学習後":
        folder = max((tmp_path / "out").iterdir())
        assert not repair.under_way(folder)
    assert call("run", "--resume", folder) == 0
    folder = max((tmp_path / "out").iterdir())
    assert story(folder) == story(whole)
    scored = [json.loads((f / "eval_metrics.json").read_text("utf-8")) for f in (folder, whole)]
    assert scored[0]["systems"] == scored[1]["systems"]


def test_a_healthy_config_is_run_as_it_is(config: Path, tmp_path: Path) -> None:
    folder = mend(config, tmp_path / "out", "train.epochs=2")
    told = story(folder)
    assert (len(told["attempts"]), told["chosen"], told["ended"]) == (1, 0, "nothing-left")
    assert "最初の設定のまま" in (folder / "summary.md").read_text("utf-8")


def test_a_cross_validation_is_refused(config: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="交差検証"):
        mend(config, tmp_path / "out", "evaluate.cv=3")
    assert not (tmp_path / "out").exists()


def test_the_command(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", config, "--max-fixes", "2") == 2
    assert call("run", "--resume", tmp_path, "--fix") == 2
    options = [word for override in FAST for word in ("--set", override)]
    out = tmp_path / "out"
    assert call("run", config, "--output", out, *options, "--fix", "--max-fixes", "1") == 0
    said = capsys.readouterr()
    assert "試行 2 (全 2 回) を採用" in said.err
    assert "結論" in said.out


def attempt(**changes: Any) -> Attempt:
    usual: dict[str, Any] = {
        "run": "r", "error": None, "metric": "jaccard", "value": 0.3, "trivial": 0.1, "loss": 1.0,
        "epoch": 3,
    }  # fmt: skip
    return Attempt(**(usual | changes))


def told(**changes: Any) -> repair.Story:
    return repair.Story("c.yaml", ["train.seed=1"], 3, **changes)


def change(key: str, new: object) -> dict[str, Any]:
    return {"key": key, "old": None, "new": new, "slugs": ("a",), "why": ("b",)}


def test_a_cure_that_does_not_help_is_taken_back_and_the_next_is_tried() -> None:
    untried = [[change("train.epochs", 9)], [change("train.learning_rate", 0.1)]]
    story_ = told(attempts=[attempt()], best_so_far=0, untried=untried)
    assert not repair._is_better(story_, attempt(value=0.2))
    assert not repair._is_better(story_, attempt())  # the fewer changes of equals
    assert repair._is_better(story_, attempt(value=0.4))
    first = repair._next(story_)
    assert first.overrides == ["train.epochs=9"]
    story_.tried.append(first.overrides)
    assert repair._next(story_).overrides == ["train.learning_rate=0.1"]
    assert not repair._next(story_).changes
    assert repair._ended(story_, Merged()) == "no-better"


def test_no_cure_is_tried_twice() -> None:
    again = [[change("train.epochs", 9)], [change("train.epochs", 6)]]
    story_ = told(attempts=[attempt()], best_so_far=0, untried=again, tried=[["train.epochs=9"]])
    assert repair._next(story_).overrides == ["train.epochs=6"]


def test_any_attempt_is_better_than_one_that_was_stopped() -> None:
    stopped = attempt(error="止まった", value=None)
    story_ = told(attempts=[stopped], best_so_far=0)
    assert repair._is_better(story_, attempt(value=0.01))
    assert repair._is_better(story_, stopped)  # what stopped the first may be mended by now


def test_an_attempt_stands_by_what_it_is_above_the_best_constant_answer() -> None:
    dominated = attempt(value=0.35, trivial=0.30)
    banned = attempt(value=0.20, trivial=0.05)
    assert banned.standing > dominated.standing
    assert attempt(loss=0.9).standing > attempt(loss=1.0).standing
    assert attempt(error="止まった", value=0.9).standing < attempt(value=None).standing
    by_loss = {"metric": "loss", "trivial": None}
    assert attempt(**by_loss, value=0.5).standing > attempt(**by_loss, value=0.6).standing
    equal = repair.Story("c.yaml", [], 3, [attempt(error="x"), attempt(), attempt()])
    assert equal.best == 1
