"""Every task x family x tuning that makes sense, from a YAML to a record, on tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.forked import ask_forked_process
from tests.tiny_models import save_tiny

from kunren import experiment
from kunren.errors import InputError
from kunren.models import verify
from kunren.progress import Silent
from kunren.types import Message
from kunren.use import Predictor

HEADLINES = {
    "国内/政治": ("首相が会見", "国会が開会", "知事が辞任", "選挙の日程"),
    "国内/経済": ("日銀が利上げ", "企業の業績", "株価が上昇", "春闘で満額"),
    "国際/政治": ("大統領が訪問", "首脳が会談", "連立が離脱", "条約に署名"),
}
POSTS = {
    "🎉🍺": ("合格した", "優勝だ", "やっと終わった", "打ち上げ"),
    "😭": ("終電に乗れない", "負けた", "財布をなくした", "別れた"),
    "🍜😋👍🏻": ("ラーメンうまい", "替え玉した", "つけ麺の列", "餃子も頼む"),
}
QUESTIONS = {
    "設立はいつですか": "1953年です。",
    "本社はどこですか": "萩市です。",
    "社長は誰ですか": "浦ヶ瀬です。",
    "休みはいつですか": "月曜です。",
    "何を作っていますか": "船の灯りです。",
    "社員は何人ですか": "64名です。",
    "見学できますか": "はい、できます。",
    "値段はいくらですか": "3,300円です。",
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "classify": [{"text": t, "label": la} for la, texts in HEADLINES.items() for t in texts],
    "tag": [{"text": t, "label": la} for la, texts in POSTS.items() for t in texts],
    "answer": [{"text": q, "label": a} for q, a in QUESTIONS.items()],
}
TASKS = {
    "classify": "{kind: classify, labels: {hierarchy: /}}",
    "tag": "{kind: tag, labels: {kind: emoji, merge_skin_tones: true}}",
    "answer": "{kind: answer}",
}
FAMILIES = {
    "causal": ("gemma", "causal"),
    "llama": ("llama", "causal"),
    "seq2seq": ("t5", "seq2seq"),
    "encoder": ("bert", "encoder"),
    "head": ("gemma", "encoder"),  # a causal backbone with a classification head
}
POINTS = [
    (task, family, tuning)
    for task in TASKS
    for family in ("causal", "seq2seq", "encoder", "head")
    for tuning in ("full", "lora")
    if not (task == "answer" and family in ("encoder", "head"))
] + [("tag", "llama", "lora")]
DECIDES = {"classify": "accuracy", "tag": "macro_f1", "answer": "loss"}
PRIMARY = {"classify": "accuracy", "tag": "jaccard", "answer": "chrf"}

Write = Callable[[str, str, str], Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_tiny(kind, folder / kind) for kind in ("gemma", "llama", "t5", "bert")}


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


@pytest.fixture
def write(tmp_path: Path, models: dict[str, Path]) -> Write:
    def written(task: str, family: str, tuning: str) -> Path:
        kind, name = FAMILIES[family]
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS[task])
        (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
        add = ", add_tokens: labels" if task == "tag" and name != "encoder" else ""
        config = tmp_path / "point.yaml"
        config.write_text(
            f"name: {task}_{family}_{tuning}\n"
            f"task: {TASKS[task]}\n"
            "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.25, test: 0.25}}\n"
            f"model: {{id: {models[kind]}, family: {name}{add}}}\n"
            f"tuning: {{kind: {tuning}, r: 4}}\n"
            "train: {epochs: 2, batch_size: 2, learning_rate: 1.0e-3}\n"
            "evaluate: {bootstrap: 100, max_new_tokens: 6}\n",
            encoding="utf-8",
        )
        return config

    return written


@pytest.mark.parametrize(("task", "family", "tuning"), POINTS)
def test_a_point_runs_from_its_yaml_to_its_record(
    task: str, family: str, tuning: str, write: Write, tmp_path: Path
) -> None:
    result = experiment.run(write(task, family, tuning), (), tmp_path / "out", Silent())
    if task != "answer":
        guards = json.loads((result.folder / "guards.json").read_text("utf-8"))
        assert guards["notices"] == []  # a healthy training is not talked about
        assert [answer["epoch"] for answer in guards["answers"]] == [1, 2]
    metrics = json.loads((result.folder / "eval_metrics.json").read_text("utf-8"))
    assert metrics["primary"] == PRIMARY[task]
    for system in ("base", "tuned"):
        score = metrics["systems"][system][PRIMARY[task]]
        assert score["n_scored"] == metrics["items"]
        assert score["value"] is not None
    assert {"base", "tuned"} < set(metrics["systems"])  # and at least one baseline
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    assert manifest["model"]["family"] == FAMILIES[family][1]
    assert manifest["model"]["reload"]["rows"] > 0
    used = yaml.safe_load((result.folder / "config.yaml").read_text("utf-8"))
    assert used["train"]["metric"] == DECIDES[task]
    adapter = (result.folder / "model" / "adapter_model.safetensors").is_file()
    assert adapter == (tuning == "lora")
    for name in ("summary.md", "report.html", "predictions.jsonl", "train_log.csv"):
        assert (result.folder / name).stat().st_size > 0
    assert not (result.folder / "work").exists()
    assert result.verdict in (result.folder / "summary.md").read_text("utf-8")
    predictor = Predictor.open(result.folder)
    said = predictor.predict([predictor.context([Message("user", "ラーメンうまい")])])[0]
    if task == "answer":
        assert said.generated is not None
    elif task == "classify":
        assert said.label in HEADLINES
    else:
        assert set(said.labels or ()) <= set("🎉🍺😭🍜😋👍")


def test_examples_and_passages_in_the_prompt_are_systems_with_a_speed(
    write: Write, tmp_path: Path
) -> None:
    config = write("answer", "causal", "full")
    (tmp_path / "docs.md").write_text(
        "# 沿革\n\n1953年に設立。\n\n# 会社\n\n本社は萩市。\n", "utf-8"
    )
    overrides = (f"data.documents={tmp_path / 'docs.md'}", "train.epochs=1", "evaluate.few_shot=2")
    result = experiment.run(config, overrides, tmp_path / "out", Silent())
    systems = list(result.metrics["systems"])
    assert systems[:4] == ["base", "tuned", "few_shot", "retrieval"]
    for name in ("few_shot", "retrieval"):
        assert result.metrics["systems"][name]["chrf"]["n_scored"] == result.metrics["items"]
        assert any(pair["b"] == name for pair in result.metrics["paired"])
        assert sum(result.metrics["prompted"][name]["used"].values()) == result.metrics["items"]
    assert result.metrics["prompted"]["retrieval"]["passages"] == 2
    assert set(result.metrics["speed"]) == {"base", "tuned", "few_shot", "retrieval"}
    assert all(of["tokens_written"] > 0 for of in result.metrics["speed"].values())
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    assert [file["name"] for file in manifest["data"]["documents"]] == ["docs.md"]
    summary = (result.folder / "summary.md").read_text("utf-8")
    assert "### 速さとメモリ" in summary
    assert "few-shot は、学習前のモデルに" in summary


def test_documents_that_are_not_there_stop_before_anything_is_written(
    write: Write, tmp_path: Path
) -> None:
    config = write("answer", "causal", "full")
    with pytest.raises(InputError, match="資料のファイルがありません") as stopped:
        experiment.run(config, ("data.documents=nothing.md",), tmp_path / "out", Silent())
    assert len(stopped.value.problems) == 1
    assert not (tmp_path / "out").exists()


def test_a_family_that_reads_no_prompt_has_no_such_system_and_the_record_says_why(
    write: Write, tmp_path: Path
) -> None:
    result = experiment.run(write("classify", "encoder", "full"), (), tmp_path / "out", Silent())
    assert "few_shot" not in result.metrics["systems"]
    assert result.metrics["prompted"] == {"few_shot": {"reason": "family"}}
    assert set(result.metrics["speed"]) == {"tuned"}  # base is a probe, not an answering model
    assert "指示や例を読んで" in (result.folder / "summary.md").read_text("utf-8")


def test_an_encoder_never_leaves_the_label_set_and_always_answers(
    write: Write, tmp_path: Path
) -> None:
    result = experiment.run(write("tag", "encoder", "full"), (), tmp_path / "out", Silent())
    lines = (result.folder / "predictions.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        tuned = json.loads(line)["systems"]["tuned"]
        assert tuned["labels"]
        assert set(tuned["labels"]) <= set("🎉🍺😭🍜😋👍")
        assert not tuned["invalid"]


def test_beam_search_and_sampling_stand_side_by_side(write: Write, tmp_path: Path) -> None:
    overrides = (
        "evaluate.decoding={beams: 2}",
        "evaluate.also={sample: {sample: true, temperature: 1.0, top_k: 50, top_p: 0.95}}",
    )
    result = experiment.run(write("tag", "seq2seq", "full"), overrides, tmp_path / "out", Silent())
    assert "tuned_sample" in result.metrics["systems"]
    rows = (result.folder / "predictions.jsonl").read_text("utf-8").splitlines()
    both = [json.loads(row)["systems"] for row in rows]
    assert any(s["tuned"]["generated"] != s["tuned_sample"]["generated"] for s in both)
    again = experiment.run(write("tag", "seq2seq", "full"), overrides, tmp_path / "again", Silent())
    assert (again.folder / "predictions.jsonl").read_text("utf-8").splitlines() == rows


@pytest.mark.parametrize("name", ["t5-small", "bert-small", "llama-small"])
def test_a_model_from_scratch_runs_and_the_record_says_so(
    name: str, write: Write, tmp_path: Path
) -> None:
    config = write("tag" if name == "t5-small" else "classify", "seq2seq", "full")
    overrides = (
        f"model={{id: 'scratch:{name}'}}",
        "train.epochs=1",
        "evaluate.max_new_tokens=4",
    )
    result = experiment.run(config, overrides, tmp_path / "out", Silent())
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    assert manifest["model"]["pretrained"] is False
    assert "事前学習" in (result.folder / "summary.md").read_text("utf-8")
    Predictor.open(result.folder)


def test_the_family_is_read_off_the_model_where_the_config_names_none(
    write: Write, tmp_path: Path, models: dict[str, Path]
) -> None:
    config = write("answer", "causal", "full")
    with pytest.raises(InputError, match="文章を書けない"):
        experiment.run(config, (f"model={{id: {models['bert']}}}",), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_label_filters_are_reported_and_recorded(write: Write, tmp_path: Path) -> None:
    said: list[str] = []

    class Listening(Silent):
        def say(self, message: str) -> None:
            said.append(message)

    overrides = ("task.labels.ban=[🍺]", "task.labels.min_rows=4", "train.epochs=1")
    result = experiment.run(
        write("tag", "encoder", "full"), overrides, tmp_path / "out", Listening()
    )
    assert any("100" in line and "%" in line for line in said)
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    assert [step["name"] for step in manifest["data"]["filters"]["steps"]] == ["ban", "min_rows"]
    assert "🍺" not in result.metrics["labels"]


def test_the_guided_steps_template_is_written_out_in_the_run(write: Write, tmp_path: Path) -> None:
    overrides = ("task.template=guided-steps", "train.epochs=1")
    result = experiment.run(
        write("classify", "encoder", "full"), overrides, tmp_path / "out", Silent()
    )
    kept = (result.folder / "config.yaml").read_text("utf-8")
    assert "guided-steps" not in kept
    assert "{text}" in kept
