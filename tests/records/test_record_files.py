from __future__ import annotations

import getpass
import json
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.errors import InputError
from kunren.records import predictions, provenance, trainlog
from kunren.records.facts import read_facts
from kunren.tasks import Answers
from kunren.types import Item, Message, Prediction


def test_a_recorded_answer_says_whether_it_was_cut(tmp_path: Path) -> None:
    said = predictions.Answer(generated="それは", ended=False)
    row = predictions.Predicted("a", "a", "なぜですか。", "雨だからです。", (), {"tuned": said})
    path = tmp_path / predictions.NAME
    predictions.write_predictions(path, [row])
    assert json.loads(path.read_text(encoding="utf-8"))["systems"]["tuned"]["ended"] is False
    assert predictions.read_predictions(path) == [row]


def test_predictions_round_trip(tmp_path: Path) -> None:
    asked = [Item("a#1", "a", (Message("user", "行\u2028分け\n😢"),), "😢", ("😢",))]
    said = {
        "base": [Prediction("a#1", None)],
        "tuned": [Prediction("a#1", ("😢",), 0.75, (0.25, 0.75), "😭")],
        "majority": [],
    }
    rows = predictions.predicted(asked, said, "label", ["😭", "😢"])
    path = tmp_path / predictions.NAME
    predictions.write_predictions(path, rows)
    assert predictions.read_predictions(path) == rows
    none: dict[str, Any] = {"label": None, "labels": None, "probability": None, "generated": None}
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "id": "a#1",
        "row_id": "a",
        "text": "行\u2028分け\n😢",
        "gold": "😢",
        "gold_labels": ["😢"],
        "systems": {
            "base": none | {"invalid": [], "correct": None, "score": None},
            "tuned": {
                "label": "😢",
                "labels": ["😢"],
                "probability": 0.75,
                "generated": "😭",
                "invalid": [],
                "correct": True,
                "score": 1.0,
            },
        },
    }


def test_predicted_sets_and_texts_carry_their_scores(tmp_path: Path) -> None:
    asked = [Item("a", "a", (Message("user", "x"),), "✨📷", ("✨", "📷"))]
    said = {"tuned": [Prediction("a", ("✨",), generated="✨ 犬", invalid=("犬",))]}
    rows = predictions.predicted(asked, said, "set", ["✨", "📷"])
    answer = rows[0].systems["tuned"]
    assert (answer.correct, answer.invalid) == (False, ("犬",))
    assert answer.score == pytest.approx(1 / 3)
    assert rows[0].gold_labels == ("✨", "📷")
    texts = [Item("a", "a", (Message("user", "x"),), "はい、可能でございます。")]
    said = {"tuned": [Prediction("a", None, generated="はい、可能です。")]}
    more = predictions.predicted(texts, said, "text", ())
    assert more[0].systems["tuned"].score == pytest.approx(42.44, abs=0.005)
    assert more[0].systems["tuned"].label is None
    for found in (rows, more):
        path = tmp_path / predictions.NAME
        predictions.write_predictions(path, found)
        assert predictions.read_predictions(path) == found


def test_reads_predictions_of_before_there_were_sets(tmp_path: Path) -> None:
    path = tmp_path / predictions.NAME
    none = dict.fromkeys(("label", "probability", "generated", "correct"))
    said = {"label": "😢", "probability": 0.7, "generated": "😭", "correct": True}
    old = {"id": "a", "row_id": "a", "text": "x", "gold": "😢"}
    path.write_text(json.dumps(old | {"systems": {"base": none, "tuned": said}}) + "\n")
    (row,) = predictions.read_predictions(path)
    assert row.gold_labels == ("😢",)
    assert row.systems["base"] == predictions.Answer()
    assert row.systems["tuned"] == predictions.Answer(("😢",), 0.7, "😭", (), True, 1.0)
    assert row.systems["tuned"].label == "😢"


def test_predictions_can_be_stored_between_stages() -> None:
    said = [
        Prediction("a", ("😢",), 0.1 + 0.2, (0.1 + 0.2, 0.7), None),
        Prediction("b", None),
        Prediction("c", (), generated="犬", invalid=("犬",)),
    ]
    assert predictions.load(json.loads(json.dumps(predictions.dump(said)))) == said


def test_loads_stored_predictions_of_before_there_were_sets() -> None:
    old = {"item_id": "a", "label": "😢", "probability": 0.5, "probabilities": [0.5, 0.5]}
    none: dict[str, Any] = {
        "item_id": "b", "label": None, "probability": None, "probabilities": []
    }  # fmt: skip
    assert predictions.load([old | {"generated": None}, none | {"generated": "x"}]) == [
        Prediction("a", ("😢",), 0.5, (0.5, 0.5)),
        Prediction("b", None, generated="x"),
    ]


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_hand_made_runs_of_every_kind_can_be_read(kind: Answers, tmp_path: Path) -> None:
    facts = read_facts(handmade.make(tmp_path, kind=kind))
    assert facts.metrics is not None
    assert facts.metrics["answers"] == kind
    assert facts.predictions is not None
    primary = facts.metrics["primary"]
    scores = [row.systems["tuned"].score or 0.0 for row in facts.predictions]
    value = facts.metrics["systems"]["tuned"][primary]["value"]
    assert sum(scores) / len(scores) == pytest.approx(value)


def test_train_log_has_the_seed_columns_first(tmp_path: Path) -> None:
    path = tmp_path / trainlog.NAME
    rows = [
        {"step": 1.0, "loss": float("nan"), "epoch": 0.5, "grad_norm": float("inf")},
        {"step": 2.0, "loss": 1.5, "epoch": 1.0, "eval_loss": 0.9, "eval_accuracy": 0.5},
    ]
    trainlog.write_log(path, rows)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header == "epoch,eval_loss,learning_rate,loss,step,eval_accuracy,grad_norm"
    first, second = trainlog.read_log(path)
    assert math.isnan(first["loss"] or 0)
    assert first["grad_norm"] == math.inf
    assert first["eval_loss"] is None
    assert second["eval_loss"] == 0.9


def test_epochs_gather_steps_and_evaluation() -> None:
    epochs = trainlog.by_epoch(handmade.history([1.6, 0.9, 1.2], steps=4))
    assert [e.number for e in epochs] == [1, 2, 3]
    assert [e.evaluation["eval_loss"] for e in epochs] == [1.6, 0.9, 1.2]
    assert epochs[0].loss == pytest.approx(3.0 * (1 - 2.5 / 18))
    assert trainlog.best_epoch(epochs, "loss") == 2
    assert trainlog.best_epoch(epochs, "accuracy") == 2
    assert trainlog.best_epoch(epochs, "macro_f1") is None


def test_the_latest_of_equal_epochs_is_the_best() -> None:
    epochs = trainlog.by_epoch(handmade.history([1.0, 0.5, 0.5]))
    assert trainlog.best_epoch(epochs, "loss") == 3


def test_reads_the_log_of_another_tool(tmp_path: Path) -> None:
    path = tmp_path / trainlog.NAME
    path.write_text(
        "epoch,eval_loss,learning_rate,loss,step\n0.45,,9.8e-05,15.0845,50\n1.0,11.8467,,,110\n",
        encoding="utf-8",
    )
    (epoch,) = trainlog.by_epoch(trainlog.read_log(path))
    assert (epoch.loss, epoch.evaluation) == (15.0845, {"eval_loss": 11.8467})


def test_manifest_tells_nothing_of_who_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    path = handmade.make(tmp_path)
    content = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    content["machine"] = provenance.machine(["NVIDIA A100-SXM4-40GB"])
    said = json.dumps(content, ensure_ascii=False)
    assert "sk-very-secret" not in said
    assert str(tmp_path) not in said
    assert str(Path.home()) + "/" not in said
    assert platform.node() not in said
    if len(getpass.getuser()) > 4:
        assert getpass.getuser() not in said
    assert content["machine"]["cores"] == os.cpu_count()
    assert content["machine"]["memory_bytes"] > 2**28
    assert content["packages"]["numpy"]
    assert content["data"]["rows"] == {"train": 60, "validation": 10, "test": 40}
    assert content["data"]["labels"]["😢"] == {"train": 12, "validation": 2, "test": 8}
    assert content["data"]["files"]["train"]["name"] == "tweets.jsonl"


def test_model_facts_hash_the_weights_and_hide_the_path(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    found = provenance.model_facts(str(tmp_path), tmp_path, parameters=10, trainable=4)
    assert found["id"] == tmp_path.name
    assert set(found["sha256"]) == {"config.json", "model.safetensors"}
    assert found["sha256"]["model.safetensors"].startswith("ba7816bf8f01cfea")
    hub = provenance.model_facts("google/gemma-3-270m", tmp_path, parameters=1, trainable=1)
    assert hub["id"] == "google/gemma-3-270m"


def test_fingerprint_is_of_the_split_not_of_the_order() -> None:
    a, b = handmade.items(6), handmade.items(3, prefix="v")
    same = provenance.split_fingerprint({"train": a, "test": b})
    assert provenance.split_fingerprint({"test": b[::-1], "train": a[::-1]}) == same
    assert provenance.split_fingerprint({"train": a[:5], "test": [*b, a[5]]}) != same


def test_git_state(tmp_path: Path) -> None:
    assert provenance.git_state(tmp_path / "nowhere") is None
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert provenance.git_state(tmp_path) is None  # no commit yet
    named = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(
        ["git", "-C", str(tmp_path), *named, "commit", "-q", "--allow-empty", "-m", "x"], check=True
    )
    found = provenance.git_state(tmp_path)
    assert found is not None
    assert (len(found["commit"]), found["dirty"]) == (40, False)
    (tmp_path / "a").write_text("x", encoding="utf-8")
    assert provenance.git_state(tmp_path) == found | {"dirty": True}


def test_artefacts_are_the_files_of_the_record(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    (path / "model").mkdir()
    (path / "model" / "adapter.safetensors").write_bytes(b"abc")
    (path / "work").mkdir()
    (path / "work" / "lock").write_bytes(b"")
    (path / "summary.md").write_text("メモ", encoding="utf-8")
    found = provenance.artefacts(path)
    assert set(found) == {
        "config.yaml",
        "eval_metrics.json",
        "model/adapter.safetensors",
        "predictions.jsonl",
        "train_log.csv",
    }
    assert found["model/adapter.safetensors"]["bytes"] == 3


def test_broken_files_are_all_named(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    (path / "eval_metrics.json").write_text("{", encoding="utf-8")
    (path / "predictions.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_facts(path)
    assert [p.code for p in error.value.problems] == ["record.broken-file"] * 2
    assert "eval_metrics.json" in str(error.value)
    assert "predictions.jsonl" in str(error.value)
