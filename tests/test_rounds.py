"""Experiments of several trainings: folds of cross-validation, and seeds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.forked import ask_forked_process
from tests.small import write_experiment

from kunren import experiment
from kunren.config.load import load
from kunren.errors import InputError
from kunren.models import verify
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.records.trainlog import read_log

CV = ("evaluate.cv=2", "evaluate.seeds=[1, 2]", "train.epochs=1")


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text("utf-8"))


def scores(folder: Path) -> Any:
    """All of ``eval_metrics.json`` but how fast it went."""
    return {k: v for k, v in read(folder, "eval_metrics.json").items() if k != "speed"}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


class Stop(Exception):  # noqa: N818
    """Raised where a run is to be interrupted."""


class StopAtRound(Silent):
    """Interrupts a run when its training of this number begins."""

    def __init__(self, number: int) -> None:
        self._left = number

    def say(self, line: str) -> None:
        self._left -= "学習 " in line
        if not self._left:
            raise Stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The folder of a finished run of two folds and two seeds."""
    folder = tmp_path_factory.mktemp("cv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_ask_fresh_process", ask_forked_process)
        config = write_experiment(folder, tiny_model)
        return experiment.run(config, CV, folder / "out", Silent()).folder


def test_every_row_is_tested_once_by_a_model_that_did_not_train_on_it(whole: Path) -> None:
    rows = lines(whole)
    assert len({row["id"] for row in rows}) == len(rows) == 24
    for row in rows:
        assert set(row["systems"]) >= {"base", "tuned", "tuned_seed2", "majority", "tfidf_logreg"}
    metrics = read(whole, "eval_metrics.json")
    assert metrics["rows"] == 24
    assert all(
        metrics["systems"][s]["accuracy"]["n_scored"] == 24 for s in ("base", "tuned", "majority")
    )
    assert "tuned_seed2" not in metrics["systems"]


def test_the_value_is_the_mean_of_the_seeds_and_rounds_say_how_it_varies(whole: Path) -> None:
    metrics, rows = read(whole, "eval_metrics.json"), lines(whole)
    by_seed = [
        sum(row["systems"][s]["correct"] for row in rows) / 24 for s in ("tuned", "tuned_seed2")
    ]
    assert metrics["systems"]["tuned"]["accuracy"]["value"] == pytest.approx(sum(by_seed) / 2)
    rounds = metrics["rounds"]
    assert [(r["fold"], r["seed"], r["rows"]) for r in rounds] == [
        (fold, seed, 12) for fold in (1, 2) for seed in (1, 2)
    ]
    mean = sum(r["values"]["accuracy"] for r in rounds) / 4
    assert metrics["spread"]["accuracy"]["mean"] == pytest.approx(mean)


def test_the_record_holds_the_first_model_and_each_training_log(whole: Path) -> None:
    manifest = read(whole, "manifest.json")
    assert manifest["data"]["folds"] == [{"train": 8, "validation": 4, "test": 12}] * 2
    assert manifest["seeds"]["train"] == [1, 2]
    assert len(manifest["training"]["rounds"]) == 4
    assert manifest["model"]["reload"]["rows"] == 8
    assert {p.name for p in (whole / "rounds").iterdir()} == {
        f"fold{fold}_seed{seed}" for fold in (1, 2) for seed in (1, 2)
    } - {"fold1_seed1"}
    assert all(read_log(p / "train_log.csv") for p in (whole / "rounds").iterdir())
    assert not (whole / "work").exists()
    assert (whole / "model" / "config.json").is_file()
    summary = (whole / "summary.md").read_text("utf-8")
    assert "2 分割の交差検証 (1 回目は学習 8 件 / 検証 4 件 / テスト 12 件" in summary
    assert "rows.jsonl の 24 件を 2 つに分け" in summary
    assert "model/ は 1 回目のものです" in summary


def test_the_folds_are_stratified_and_share_one_label_set_and_prompt(
    tmp_path: Path, tiny_model: Path
) -> None:
    plan = prepare(load(write_experiment(tmp_path, tiny_model), ["evaluate.cv=4"]))
    folds = [plan.of_fold(n) for n in range(4)]
    for fold in folds:
        counts = Counter(item.answer for item in fold.items["test"])
        assert set(counts.values()) == {2}
        assert fold.labels == plan.labels
        assert fold.config == plan.config
        assert fold.fingerprint == plan.fingerprint
        tested = {row.id for row in fold.rows["test"]}
        assert not tested & {row.id for side in ("train", "validation") for row in fold.rows[side]}
    assert len({item.id for fold in folds for item in fold.items["test"]}) == 24


def test_a_label_of_one_row_is_in_the_set_of_every_fold(tmp_path: Path, tiny_model: Path) -> None:
    config = write_experiment(tmp_path, tiny_model)
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"text": "ねむい", "label": "🎉"}, ensure_ascii=False) + "\n")
    overrides = ["evaluate.cv=3", "train.epochs=1", "train.loss={class_weights: balanced}"]
    said: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            said.append(line)

    result = experiment.run(config, overrides, tmp_path / "out", Heard())
    assert result.metrics["labels"].count("🎉") == 1
    assert result.metrics["rows"] == 25
    assert any("🎉 (1)" in line for line in said)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_interrupted_round_is_taken_up_where_it_was(
    number: int, whole: Path, tmp_path: Path, tiny_model: Path
) -> None:
    config = write_experiment(tmp_path, tiny_model)
    with pytest.raises(Stop):
        experiment.run(config, CV, tmp_path / "out", StopAtRound(number))
    (run,) = (tmp_path / "out").iterdir()
    experiment.resume(run, Silent())
    assert scores(run) == scores(whole)
    assert [row["systems"] for row in lines(run)] == [row["systems"] for row in lines(whole)]
    weights = "model/model.safetensors"
    assert (run / weights).read_bytes() == (whole / weights).read_bytes()
    log = "rounds/fold2_seed2/train_log.csv"
    losses = [[(r["loss"], r["eval_loss"]) for r in read_log(x / log)] for x in (run, whole)]
    assert losses[0] == losses[1]


def test_its_config_runs_again_to_the_same_numbers(whole: Path, tmp_path: Path) -> None:
    used = yaml.safe_load((whole / "config.yaml").read_text("utf-8"))
    assert (used["evaluate"]["cv"], used["evaluate"]["seeds"]) == (2, [1, 2])
    again = experiment.run(whole / "config.yaml", (), tmp_path / "again", Silent())
    assert scores(again.folder) == scores(whole)


def test_seeds_alone_train_on_one_split(tmp_path: Path, tiny_model: Path) -> None:
    config = write_experiment(tmp_path, tiny_model)
    overrides = ["evaluate.seeds=[5, 6, 7]", "train.epochs=1"]
    result = experiment.run(config, overrides, tmp_path / "out", Silent())
    rounds = result.metrics["rounds"]
    assert [(r["fold"], r["seed"], r["rows"]) for r in rounds] == [(None, s, 6) for s in (5, 6, 7)]
    values = [r["values"]["macro_f1"] for r in rounds]
    assert result.metrics["systems"]["tuned"]["macro_f1"]["value"] == pytest.approx(sum(values) / 3)
    assert "folds" not in read(result.folder, "manifest.json")["data"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("evaluate.seeds=[1, 1]", "同じシード"),
        ("evaluate.cv=1", "evaluate.cv"),
        ("evaluate.cv=25", "24"),
        ("evaluate.also={seed3: {beams: 2}}", "seed3"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_written(
    override: str, said: str, tmp_path: Path, tiny_model: Path
) -> None:
    config = write_experiment(tmp_path, tiny_model)
    with pytest.raises(InputError, match=said):
        experiment.run(config, [override], tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()
