"""Which column is the prediction: never the gold one, whatever the files are called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kunren.config.schema import TaskConfig
from kunren.data.answer_columns import columns_of
from kunren.errors import InputError
from kunren.scoring.outside import Asked, score
from kunren.scoring.systems import Named

TEXTS = ["朝の電車が止まった", "昼の空が青い", "夜に雨が降った", "庭に花が咲いた"]
GOLD = ["悪い", "良い", "悪い", "良い"]
WRONG = ["良い", "悪い", "良い", "悪い"]

Row = Mapping[str, object]


def table(**columns: Sequence[object]) -> list[Row]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def scored(folder: Path, gold: Sequence[Row], pred: Sequence[Row], **columns: str) -> Any:
    for name, rows in (("gold", gold), ("pred", pred)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    asked = Asked(
        folder / "gold.jsonl", [Named(folder / "pred.jsonl")], TaskConfig(), columns=columns
    )
    return score(asked)


def accuracy(result: Any) -> float:
    (found,) = result["systems"].values()
    return float(found["accuracy"]["value"])


def codes(caught: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [problem.code.removeprefix("score.") for problem in caught.value.problems]


@pytest.mark.parametrize(
    "column",
    ["prediction", "predict", "Predicted Label", "pred", "y_pred", "PredLabel", "gpt4-pred",
     "model_prediction", "予測", "予測ラベル", "推論結果", "output", "response", "generated_text",
     "判定結果", "出力", "predicted_class"],
)  # fmt: skip
@pytest.mark.parametrize("gold", ["label", "gold", "正解", "ラベル", "target", "y_true", "answer"])
def test_the_predictions_are_found_beside_the_gold_answers(
    tmp_path: Path, column: str, gold: str
) -> None:
    rows = table(**{"text": TEXTS, gold: GOLD, column: WRONG})
    result = scored(tmp_path, table(text=TEXTS, label=GOLD), rows)
    assert accuracy(result) == 0.0
    (system,) = result["read"]["systems"].values()
    assert system["column"] == column


@pytest.mark.parametrize("column", ["label", "labels", "gold", "正解", "ラベル", "Label", "target"])
def test_a_gold_like_column_alone_is_refused(tmp_path: Path, column: str) -> None:
    gold = table(text=TEXTS, label=GOLD)
    with pytest.raises(InputError) as caught:
        scored(tmp_path, gold, table(**{"text": TEXTS, column: WRONG}))
    assert codes(caught) == ["only-gold"]
    assert "--pred-field" in str(caught.value)
    assert column in str(caught.value)
    named = scored(tmp_path, gold, table(id=range(4), **{column: GOLD}), prediction=column)
    assert accuracy(named) == 1.0


@pytest.mark.parametrize(
    "others", [("pred_a", "pred_b"), ("予測1", "予測2"), ("output", "response")]
)
def test_two_that_could_be_meant_are_both_named(tmp_path: Path, others: tuple[str, str]) -> None:
    rows = table(**{"text": TEXTS, others[0]: WRONG, others[1]: GOLD})
    with pytest.raises(InputError) as caught:
        scored(tmp_path, table(text=TEXTS, label=GOLD), rows)
    assert codes(caught) == ["several-predictions"]
    assert all(name in str(caught.value) for name in others)
    assert (
        accuracy(scored(tmp_path, table(text=TEXTS, label=GOLD), rows, prediction=others[1])) == 1
    )


def test_measures_of_a_prediction_are_none(tmp_path: Path) -> None:
    rows = table(pred_score=[0.1] * 4, prediction=WRONG, pred_time=[1] * 4, 予測確率=[0.9] * 4)
    assert accuracy(scored(tmp_path, table(text=TEXTS, label=GOLD), rows)) == 0.0


def test_a_sure_name_goes_before_one_that_may_be_gold(tmp_path: Path) -> None:
    rows = table(output=GOLD, prediction=WRONG)
    assert accuracy(scored(tmp_path, table(text=TEXTS, label=GOLD), rows)) == 0.0


@pytest.mark.parametrize(
    "column", ["output", "completion", "正解ラベル", "expected_answer", "class"]
)
def test_the_gold_column_of_a_gold_file(tmp_path: Path, column: str) -> None:
    rows = table(**{"text": TEXTS, column: GOLD})
    assert accuracy(scored(tmp_path, rows, table(prediction=GOLD))) == 1.0


def test_two_gold_columns(tmp_path: Path) -> None:
    rows = table(text=TEXTS, label=GOLD, labels=WRONG)
    with pytest.raises(InputError) as caught:
        scored(tmp_path, rows, table(prediction=GOLD))
    assert codes(caught) == ["several-gold"]
    assert "--gold-field" in str(caught.value)


# ---- rows that do not belong together


def test_gold_answers_beside_predictions_are_compared(tmp_path: Path) -> None:
    shuffled = [GOLD[n] for n in (1, 0, 2, 3)]
    with pytest.raises(InputError) as caught:
        scored(tmp_path, table(label=GOLD), table(label=shuffled, prediction=GOLD))
    assert codes(caught) == ["other-gold", "other-gold"]
    assert [p.where.line for p in caught.value.problems if p.where] == [1, 2]


@pytest.mark.parametrize("written", [1, 1.0, "1", "１", " 1 "])
def test_the_same_gold_answer_written_otherwise(tmp_path: Path, written: object) -> None:
    gold = table(label=["1", "2", "1", "2"])
    rows = table(gold=[written, 2, "1", "2"], prediction=["1", "2", "2", "1"])
    assert accuracy(scored(tmp_path, gold, rows)) == 0.5


def test_rows_are_matched_by_id_whatever_their_order(tmp_path: Path) -> None:
    gold = table(ID=["a", "b", "c", "d"], text=TEXTS, label=GOLD)
    order = (2, 0, 3, 1)
    rows = table(id=["abcd"[n] for n in order], label=[GOLD[n] for n in order],
                 pred=[GOLD[n] for n in order])  # fmt: skip
    result = scored(tmp_path, gold, rows)
    assert accuracy(result) == 1.0
    (system,) = result["read"]["systems"].values()
    assert system["matched_by"] == "id"


def test_an_id_of_another_text_is_told(tmp_path: Path) -> None:
    gold = table(id=[1, 2, 3, 4], text=TEXTS, label=GOLD)
    rows = table(id=[1, 2, 4, 3], text=TEXTS, prediction=GOLD)
    with pytest.raises(InputError) as caught:
        scored(tmp_path, gold, rows)
    assert codes(caught) == ["other-text", "other-text"]


def test_a_prompt_holds_the_text(tmp_path: Path) -> None:
    rows = table(prompt=[f"<bos>{text}\n答え:" for text in TEXTS], predict=WRONG, label=GOLD)
    assert accuracy(scored(tmp_path, table(text=TEXTS, label=GOLD), rows)) == 0.0


def test_columns_without_any_answer() -> None:
    found = columns_of("prediction", {}, ["id", "text", "memo"], "p.csv", enough=False)
    assert [problem.code for problem in found.problems] == ["score.no-prediction"]


# ---- without --task


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (GOLD, "classify"),
        (["😀", "😢", "😀", "😢"], "classify"),
        (["😀🎉", "😢", "😀", "😢"], "tag"),
        ([["a", "b"], ["a"], ["b"], []], "tag"),
        (["九時です", "駅前です", "五百円です", "土曜です"], "answer"),
    ],
)
def test_the_task_is_told_by_the_gold_answers(
    tmp_path: Path, answers: list[object], kind: str
) -> None:
    for name, column in (("gold", "label"), ("pred", "prediction")):
        lines = "".join(json.dumps({column: a}, ensure_ascii=False) + "\n" for a in answers)
        (tmp_path / f"{name}.jsonl").write_text(lines, "utf-8")
    result = score(Asked(tmp_path / "gold.jsonl", [Named(tmp_path / "pred.jsonl")], None))
    assert kind in result["notes"][0]
    assert "--task" in result["notes"][0]


@pytest.mark.parametrize("empty", ["", "  ", []])
def test_answers_that_are_all_empty_are_told_in_words(tmp_path: Path, empty: object) -> None:
    kind = TaskConfig(kind="tag")
    for name, rows in (
        ("gold", table(label=["朝、夜", "昼", "朝", "夜"])),
        ("pred", table(prediction=[empty] * 4)),
        ("some", table(prediction=[empty, "朝", "昼", empty])),
    ):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, "utf-8")
    files = [Named(tmp_path / "pred.jsonl"), Named(tmp_path / "some.jsonl")]
    notes = score(Asked(tmp_path / "gold.jsonl", files, kind))["notes"]
    (told,) = [note for note in notes if "すべてが空" in note]
    assert told.startswith("「pred」")
