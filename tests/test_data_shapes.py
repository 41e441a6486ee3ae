"""Data as people have it, from a YAML to a record, in every family."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.forked import ask_forked_process
from tests.tiny_models import save_tiny

from kunren import check, check_report, experiment
from kunren.cli import main
from kunren.config.load import load
from kunren.config.schema import TaskConfig
from kunren.models import verify
from kunren.plan import prepare, with_family
from kunren.progress import Silent
from kunren.ready import make_ready
from kunren.records.task_file import read_task_file
from kunren.tasks import make_task
from kunren.types import Example, LabelExample, Message, PairExample
from kunren.use import Predictor

MODELS = {"causal": "gemma", "seq2seq": "t5", "encoder": "bert"}
TEXTS = (
    "合格した", "優勝だ", "やっと終わった", "打ち上げ", "終電に乗れない", "負けた",
    "財布をなくした", "別れた", "ラーメンうまい", "替え玉した", "つけ麺の列", "餃子も頼む",
)  # fmt: skip

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {family: save_tiny(kind, folder / kind) for family, kind in MODELS.items()}


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


@pytest.fixture
def write(tmp_path: Path, models: dict[str, Path]) -> Write:
    def written(
        rows: Sequence[object], family: str, kind: str, fields: dict[str, Any] | None = None
    ) -> Path:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
        made = {
            "name": f"{kind}_{family}",
            "task": {"kind": kind},
            "data": {
                "train": "rows.jsonl",
                "fields": fields or {},
                "split": {"train": 0.5, "validation": 0.25, "test": 0.25},
            },
            "model": {"id": str(models[family]), "family": family},
            "train": {"epochs": 1, "batch_size": 2},
            "evaluate": {"bootstrap": 100, "max_new_tokens": 4, "baselines": []},
        }
        config = tmp_path / "shapes.yaml"
        config.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
        return config

    return written


SETS = [
    {"text": text, "label": ([], ["喜び"], ["悲しみ", "驚き"])[n % 3]}
    for n, text in enumerate(TEXTS)
]


@pytest.mark.parametrize("family", list(MODELS))
def test_empty_sets_from_a_yaml_to_a_record(family: str, write: Write, tmp_path: Path) -> None:
    result = experiment.run(write(SETS, family, "tag"), (), tmp_path / "out", Silent())
    for system in ("base", "tuned"):
        assert result.metrics["systems"][system]["jaccard"]["n_scored"] == result.metrics["items"]
    used = yaml.safe_load((result.folder / "config.yaml").read_text("utf-8"))
    assert used["task"]["labels"]["none"] == "なし"
    assert read_task_file(result.folder / "model").empty
    manifest = json.loads((result.folder / "manifest.json").read_text("utf-8"))
    (note,) = manifest["data"]["notes"]
    assert (note["code"], note["file"]) == ("notes.empty-sets", "rows.jsonl")
    assert note["fields"] == {"none": "なし", "rows": 4}
    for name in ("summary.md", "report.html"):
        assert "データの読み方" in (result.folder / name).read_text("utf-8")
    rows = (result.folder / "predictions.jsonl").read_text("utf-8").splitlines()
    assert [] in [json.loads(row)["gold_labels"] for row in rows]
    predictor = Predictor.open(result.folder)
    assert predictor.empty
    # The run's own config gives the same plan, and says the same of the data.
    again = prepare(load(result.folder / "config.yaml"))
    assert [note.code for note in again.notes] == ["notes.empty-sets"]
    assert again.fingerprint == prepare(load(tmp_path / "shapes.yaml")).fingerprint


def test_without_empty_sets_a_set_is_never_empty(write: Write, tmp_path: Path) -> None:
    full = [row for row in SETS if row["label"]]
    result = experiment.run(write(full, "encoder", "tag"), (), tmp_path / "out", Silent())
    assert not read_task_file(result.folder / "model").empty
    rows = (result.folder / "predictions.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(row)["systems"]["tuned"]["labels"] for row in rows)


CHATS = [
    {
        "conversations": [
            {"from": "human", "value": text},
            {"from": "gpt", "value": "うるさい。", "weight": 0},
            {"from": "human", "value": "丁寧に。"},
            {"from": "gpt", "value": f"はい、{text}ですね。"},
        ]
    }
    for text in TEXTS
]


@pytest.mark.parametrize("family", ["causal", "seq2seq"])
def test_a_turn_of_weight_0_is_no_item_and_not_in_the_loss(
    family: str, write: Write, tmp_path: Path
) -> None:
    config = write(CHATS, family, "answer")
    ready = make_ready(prepare(load(config)), Silent())
    tokenizer: Any = ready.family.loaded.tokenizer
    for side, examples in ready.examples.items():
        assert len(ready.plan.items[side]) == len(ready.plan.rows[side])
        for example in examples:
            if isinstance(example, Example):
                pairs = zip(example.input_ids, example.trained, strict=True)
                learnt = [token for token, trained in pairs if trained]
            else:
                assert isinstance(example, PairExample)
                learnt = list(example.target_ids)
            said = tokenizer.decode(learnt, skip_special_tokens=True)
            unread = tokenizer.decode(example.input_ids)
            assert said.startswith("はい、")
            assert "うるさい" in unread
    assert [note.code for note in ready.plan.notes] == [
        "notes.chat-sharegpt", "notes.unweighted",
    ]  # fmt: skip
    result = experiment.run(config, (), tmp_path / "out", Silent())
    assert result.metrics["items"] == result.metrics["rows"] == 3


@pytest.mark.parametrize("family", list(MODELS))
def test_the_weights_of_rows_reach_the_loss(family: str, write: Write, tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": "ab"[n % 2], "w": (1, 3)[n < 6]} for n, text in enumerate(TEXTS)
    ]
    config = write(rows, family, "classify", {"weight": "w"})
    ready = make_ready(prepare(load(config)), Silent())
    weight = {f"rows.jsonl:{n + 1}": row["w"] for n, row in enumerate(rows)}
    for example in ready.examples["train"]:
        match example:
            case Example():
                pairs = zip(example.weights, example.trained, strict=True)
                found = {w for w, trained in pairs if trained}
            case PairExample() | LabelExample():
                found = {example.weight}
        assert found == {weight[example.row_id]}
    result = experiment.run(config, (), tmp_path / "out", Silent())
    assert result.metrics["systems"]["tuned"]["accuracy"]["value"] is not None


def test_what_was_understood_is_shown_once(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(CHATS, "causal", "answer")
    with pytest.raises(SystemExit) as left:
        main(["check", str(config), "--format", "json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert [note["code"] for note in told["notes"]] == ["notes.chat-sharegpt", "notes.unweighted"]
    assert told["notes"][0]["fields"]["roles"] == ["human → user", "gpt → assistant"]
    with pytest.raises(SystemExit):
        main(["check", str(config)])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("ShareGPT 形式の会話として読みました") == 1
    found = check.check(config, (), Silent())
    assert "ShareGPT" in check_report.markdown(found, check_report.as_json(found, tmp_path), ())

    heard: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    experiment.run(config, (), tmp_path / "out", Heard())
    assert sum("ShareGPT 形式の会話として読みました" in line for line in heard) == 1


def test_parts_of_turns_that_a_model_is_not_given_are_found(write: Write) -> None:
    rows = [
        {"messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": "はい。" + text, "reasoning_content": "考える",
             "name": "助手"},
        ]}
        for text in TEXTS
    ]  # fmt: skip
    found = check.check(write(rows, "causal", "answer"), (), Silent())
    (finding,) = [f for f in found.found["findings"] if f["slug"] == "unread-keys"]
    assert finding["severity"] == "warning"
    assert (finding["evidence"]["reasoning"], finding["evidence"]["keys"]) == (12, {"name": 12})


def test_a_flat_text_beside_a_system_column_is_asked_as_it_was_trained() -> None:
    made = TaskConfig(kind="answer", template="{title}: {text}")
    config: Any = SimpleNamespace(task=made)
    model: Any = None
    predictor = Predictor(config, make_task(made), model, (), "既定", None)
    system, asked = Message("system", "宿"), Message("user", "いつ")
    fields = {"title": "題"}
    assert predictor.context((system, asked), fields, chat=False) == (
        system, Message("user", "題: いつ"),
    )  # fmt: skip
    assert predictor.context((system, asked), fields) == (system, asked)
    assert predictor.context((asked,), fields) == (
        Message("system", "既定"), Message("user", "題: いつ"),
    )  # fmt: skip


def test_a_system_column_is_no_default_prompt(write: Write) -> None:
    rows = [{"system": "宿", "text": t, "label": "ab"[n % 2]} for n, t in enumerate(TEXTS)]
    plan = with_family(prepare(load(write(rows, "causal", "classify"))), "causal")
    assert plan.config.task.system is None
    assert {row.messages[0].content for row in plan.rows["train"]} == {"宿"}
    assert plan.system == "宿"
