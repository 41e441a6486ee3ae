"""Predictions that were made elsewhere: read, matched and scored, or refused with every reason."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.records.handmade import make

from kunren.config.schema import EvaluateConfig, Labels, TaskConfig
from kunren.errors import InputError
from kunren.scoring import arguments
from kunren.scoring.outside import Asked, score
from kunren.scoring.show import compared, page, verdicts
from kunren.scoring.systems import Named

QUICK = EvaluateConfig(bootstrap=100)
GOLD = ("政治", "経済", "スポーツ", "政治", "経済", "スポーツ")


def jsonl(path: Path, rows: Sequence[object]) -> Path:
    said = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(said, encoding="utf-8")
    return path


def gold(folder: Path, labels: Sequence[object] = GOLD, **columns: Any) -> Path:
    rows = [{"id": f"r{n}", "label": x, **columns} for n, x in enumerate(labels)]
    return jsonl(folder / "gold.jsonl", rows)


def lines(path: Path, answers: Sequence[str]) -> Path:
    path.write_text("".join(f"{a}\n" for a in answers), encoding="utf-8")
    return path


def scored(gold: Path, *files: Path | Named, kind: Any = "classify", **more: Any) -> dict[str, Any]:
    labels = Labels(**more.pop("written", {}))
    named = [f if isinstance(f, Named) else Named(f) for f in files]
    return score(Asked(gold, named, TaskConfig(kind=kind, labels=labels), evaluate=QUICK, **more))


def value(metrics: dict[str, Any], system: str, metric: str) -> Any:
    return metrics["systems"][system][metric]["value"]


def problems(gold: Path, *files: Path | Named, **more: Any) -> list[tuple[str, str]]:
    """(place, code) of all that is wrong."""
    with pytest.raises(InputError) as caught:
        scored(gold, *files, **more)
    for problem in caught.value.problems:
        assert str(problem)
    return [(str(p.where).rpartition("/")[2], p.code) for p in caught.value.problems]


def test_rows_are_matched_by_id_whatever_their_order(tmp_path: Path) -> None:
    said = [{"id": f"r{n}", "prediction": x} for n, x in enumerate(GOLD)]
    said[0]["prediction"] = "経済"
    found = scored(gold(tmp_path), jsonl(tmp_path / "p.jsonl", said[::-1]))
    assert value(found, "p", "accuracy") == pytest.approx(5 / 6)
    assert found["read"]["systems"]["p"]["matched_by"] == "id"


def test_without_ids_they_are_matched_by_order(tmp_path: Path) -> None:
    # A BOM, Windows line ends, full-width forms, and an answer that is empty.
    said = "\ufeff政治\r\n経済\r\n スポーツ \r\n\r\nｽﾎﾟｰﾂ\r\nｽﾎﾟｰﾂ\r\n"
    (tmp_path / "p.txt").write_text(said, encoding="utf-8", newline="")
    found = scored(gold(tmp_path), tmp_path / "p.txt")
    assert value(found, "p", "accuracy") == pytest.approx(4 / 6)
    assert found["systems"]["p"]["accuracy"]["n_scored"] == 6
    assert found["read"]["systems"]["p"] == {
        "file": str(tmp_path / "p.txt"),
        "column": None,
        "matched_by": "order",
    }


def test_a_prediction_outside_the_set_is_wrong_and_counted(tmp_path: Path) -> None:
    found = scored(gold(tmp_path), lines(tmp_path / "p.txt", ["不明", *GOLD[1:]]))
    assert value(found, "p", "accuracy") == pytest.approx(5 / 6)
    assert value(found, "p", "out_of_set_rate") == pytest.approx(1 / 6)
    assert "read:written" in found["systems"]["p"]["accuracy"]["signature"]


def test_null_is_no_prediction_and_an_empty_text_a_wrong_one(tmp_path: Path) -> None:
    said = jsonl(tmp_path / "p.jsonl", [{"prediction": x} for x in [None, "", *GOLD[2:]]])
    found = scored(gold(tmp_path), said)
    accuracy = found["systems"]["p"]["accuracy"]
    assert (accuracy["n_scored"], accuracy["n_unscored"]) == (5, 1)
    assert accuracy["value"] == pytest.approx(4 / 5)
    assert any("null" in note for note in found["notes"])


def test_every_row_without_a_partner_is_named_at_once(tmp_path: Path) -> None:
    rows = [{"id": "r0", "prediction": "政治"}, {"id": "r0", "prediction": "政治"}]
    rows += [{"id": "x", "prediction": "政治"}, {"prediction": "政治"}]
    rows += [{"id": "r1", "prediction": "経済"}, {"id": "r2", "prediction": "政治"}]
    other = lines(tmp_path / "q.txt", GOLD[:4])
    longer = lines(tmp_path / "long.txt", [*GOLD, "政治"])
    found = problems(gold(tmp_path), jsonl(tmp_path / "p.jsonl", rows), other, longer)
    assert sorted(found) == sorted(
        [
            ("p.jsonl:2", "data.duplicate-id"),
            ("p.jsonl:3", "score.not-in-gold"),
            ("p.jsonl:4", "score.no-id"),
            ("gold.jsonl:4", "score.not-predicted"),
            ("gold.jsonl:5", "score.not-predicted"),
            ("gold.jsonl:6", "score.not-predicted"),
            ("q.txt", "score.too-few"),
            ("long.txt:7", "score.too-many"),
        ]
    )


def test_a_thousand_problems_are_counted_not_listed(tmp_path: Path) -> None:
    many = gold(tmp_path, GOLD * 100)
    said = jsonl(tmp_path / "p.jsonl", [{"id": "zz", "prediction": "政治"}])
    found = problems(many, said)
    assert len(found) == 5  # three rows, the count of the others, and zz
    assert ("gold.jsonl", "data.and-more-lines-first") in found


def test_shuffled_rows_are_noticed_by_their_texts(tmp_path: Path) -> None:
    rows = [{"text": f"本文{n}", "label": x} for n, x in enumerate(GOLD)]
    said = [{"text": row["text"], "prediction": row["label"]} for row in rows]
    asked = jsonl(tmp_path / "gold.jsonl", rows)
    assert value(scored(asked, jsonl(tmp_path / "p.jsonl", said)), "p", "accuracy") == 1.0
    swapped = [said[1], said[0], *said[2:]]
    assert problems(asked, jsonl(tmp_path / "p.jsonl", swapped)) == [
        ("p.jsonl:1", "score.other-text"),
        ("p.jsonl:2", "score.other-text"),
    ]


def test_files_that_cannot_be_read_are_told_together(tmp_path: Path) -> None:
    broken = tmp_path / "b.jsonl"
    broken.write_text('{"prediction": "政治"\n', encoding="utf-8")
    old = tmp_path / "sjis.txt"
    old.write_bytes("経済の話をします\n".encode("cp932"))
    table = tmp_path / "t.csv"
    table.write_text("番号,答え\n1,政治\n", encoding="utf-8")
    missing = tmp_path / "none.jsonl"
    found = problems(gold(tmp_path), broken, old, table, missing)
    assert [code for _, code in found] == [
        "data.broken-json",
        "data.wrong-encoding",
        "score.only-gold",
        "score.no-such-file-near",
    ]


def test_gold_must_have_an_answer_everywhere(tmp_path: Path) -> None:
    said = lines(tmp_path / "p.txt", GOLD)
    assert problems(gold(tmp_path, [*GOLD[:4], "", None]), said) == [
        ("gold.jsonl:6", "score.gold-missing")
    ]
    assert problems(gold(tmp_path, [*GOLD[:4], "", " "]), said) == [
        ("gold.jsonl:5", "score.gold-empty"),
        ("gold.jsonl:6", "score.gold-empty"),
    ]


def test_columns_can_be_named(tmp_path: Path) -> None:
    asked = tmp_path / "gold.csv"
    with asked.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["番号", "正解"], *([n, x] for n, x in enumerate(GOLD))])
    said = [{"番号": n, "予測": x, "label": "別のもの"} for n, x in enumerate(GOLD)]
    columns = arguments.columns(["id=番号", "label=正解", "prediction=予測"])
    found = scored(asked, jsonl(tmp_path / "p.jsonl", said[::-1]), columns=columns)
    assert value(found, "p", "accuracy") == 1.0
    assert found["read"]["systems"]["p"]["matched_by"] == "id"
    columns = arguments.columns(["id=番号", "label=正解", "prediction=予 測"])
    assert problems(asked, tmp_path / "p.jsonl", columns=columns) == [
        ("p.jsonl", "score.no-column-near")
    ]
    with pytest.raises(InputError) as caught:
        arguments.columns(["predicton=予測", "何か"])
    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["score.bad-field-near", "score.bad-field"]


def test_emoji_are_recognised_and_split(tmp_path: Path) -> None:
    asked = gold(tmp_path, ["😀👨‍👩‍👧", ["❤️", "😀"], "", "👍🏻"])
    answers = ["👨‍👩‍👧、😀", "❤😀うれしい", "", "['👍🏿']"]
    found = scored(asked, lines(tmp_path / "p.txt", answers), kind="tag")
    assert found["read"]["label_kind"] == "emoji"
    assert set(found["labels"]) == {"😀", "👨‍👩‍👧", "❤️", "👍🏻"}
    assert value(found, "p", "exact_match") == pytest.approx(2 / 4)  # an empty set may be right
    assert value(found, "p", "invalid_rate") == pytest.approx(2 / 6)
    merged = {"merge_skin_tones": True}
    found = scored(asked, tmp_path / "p.txt", kind="tag", written=merged)
    assert value(found, "p", "exact_match") == pytest.approx(3 / 4)  # うれしい is no label


def test_levels_of_a_hierarchy_are_scored(tmp_path: Path) -> None:
    asked = gold(tmp_path, ["国際/政治", "国際/経済", "国内/政治"])
    said = lines(tmp_path / "p.txt", ["国際/経済", "国際 / 経済", "国際/政治"])
    found = scored(asked, said, written={"hierarchy": "/"})
    assert value(found, "p", "accuracy") == pytest.approx(1 / 3)
    assert value(found, "p", "accuracy_level1") == pytest.approx(2 / 3)


def test_the_closed_set_can_be_given(tmp_path: Path) -> None:
    said = lines(tmp_path / "p.txt", ["天気", *GOLD[1:]])
    (tmp_path / "labels.txt").write_text("\ufeff経済\r\nスポーツ\r\n天気\r\n", "utf-8")
    labels = arguments.label_set(str(tmp_path / "labels.txt"), "auto")
    assert labels == arguments.label_set("経済、スポーツ,天気", "auto")
    assert arguments.label_set("😀👨‍👩‍👧", "auto") == ["😀", "👨‍👩‍👧"]
    found = scored(gold(tmp_path), said, labels=labels)
    assert found["labels"] == ["経済", "スポーツ", "天気"]
    assert value(found, "p", "out_of_set_rate") == pytest.approx(1 / 6)  # the second 政治
    assert value(found, "p", "accuracy") == pytest.approx(4 / 6)
    assert any("政治" in note for note in found["notes"])


def test_probabilities_are_those_of_the_closed_set(tmp_path: Path) -> None:
    shares = [{"政治": 0.7, "経済": 0.2, "スポーツ": 0.1}, {"経済": 1.0}, {"政治": 0.4}]
    rows = [{"probabilities": s} for s in shares]
    rows[2]["prediction"] = "政治"  # type: ignore[assignment]
    found = scored(gold(tmp_path, GOLD[:3]), jsonl(tmp_path / "p.jsonl", rows))
    assert value(found, "p", "accuracy") == pytest.approx(2 / 3)
    assert any("確率" in note and "3 件のうち 1 件" in note for note in found["notes"])
    wrong = [{"prediction": "政治", "confidence": c} for c in (1.4, "高い", 0.9)]
    assert problems(gold(tmp_path, GOLD[:3]), jsonl(tmp_path / "w.jsonl", wrong)) == [
        ("w.jsonl:1", "score.not-a-probability"),
        ("w.jsonl:2", "score.not-a-probability"),
    ]


def test_parquet_is_read_with_its_probabilities(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "probabilities": {x: 1.0}} for n, x in enumerate(GOLD)]
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "p.parquet")
    found = scored(gold(tmp_path), tmp_path / "p.parquet")
    assert value(found, "p", "accuracy") == 1.0
    assert found["read"]["systems"]["p"]["column"] == "probabilities"
    assert not any("確率" in note for note in found["notes"])


def test_further_files_are_judged_against_the_first(tmp_path: Path) -> None:
    asked = gold(tmp_path, GOLD * 10)
    bad = lines(tmp_path / "bad.txt", ["政治"] * 60)
    good = lines(tmp_path / "good.txt", GOLD * 10)
    found = scored(asked, bad, good)
    (pair,) = [p for p in compared(found) if p["metric"] == "accuracy"]
    assert (pair["a"], pair["b"], pair["verdict"]) == ("good", "bad", "better")
    assert pair["difference"] == pytest.approx(2 / 3)
    low, high = pair["ci95"]
    assert 0 < low <= pair["difference"] <= high
    (said,) = verdicts(found)
    assert "「good」と「bad」の比較: 改善" in said
    (said,) = verdicts(scored(asked, good, bad))
    assert "「bad」と「good」の比較: 悪化" in said
    (said,) = verdicts(scored(asked, good, Named(good, "同じもの")))
    assert said == "「同じもの」の予測は「good」とすべて同じ: 正解率 100.0 %"


def test_systems_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    asked = gold(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = [lines(tmp_path / x / "p.txt", GOLD) for x in ("a", "b")]
    assert list(scored(asked, *files)["systems"]) == ["a/p", "b/p"]
    assert list(scored(asked, files[0], files[0])["systems"]) == ["a/p", "a/p_2"]
    twice = [Named(files[0], "x"), Named(files[1], "x")]
    assert problems(asked, *twice) == [("None", "score.name-taken")]


def test_baselines_are_scored_where_training_rows_are_given(tmp_path: Path) -> None:
    rows = [{"text": f"{x}の話 {n}", "label": x} for n, x in enumerate(GOLD * 4)]
    train = jsonl(tmp_path / "train.jsonl", rows)
    asked = jsonl(tmp_path / "gold.jsonl", rows[:6])
    said = lines(tmp_path / "majority.txt", GOLD)
    found = scored(asked, said, train=train)
    assert "majority" in found["systems"]
    assert found["subject"] not in ("majority", "nearest")  # the file's name was a baseline's
    assert value(found, "nearest", "accuracy") == 1.0
    assert any("学習データにも" in note for note in found["notes"])
    assert any("と「最頻ラベル (majority)」の比較" in line for line in verdicts(found))
    assert problems(gold(tmp_path), said, train=train) == [("gold.jsonl", "score.gold-no-texts")]


def test_free_text_is_scored_as_in_a_run(tmp_path: Path) -> None:
    rows = [{"id": n, "answer": f"設立は19{n:02}年です。"} for n in range(30)]
    said = [{"id": r["id"], "prediction": r["answer"] if r["id"] else "１９００年"} for r in rows]
    found = scored(
        jsonl(tmp_path / "gold.jsonl", rows), jsonl(tmp_path / "p.jsonl", said), kind="answer"
    )
    assert value(found, "p", "exact_match") == pytest.approx(29 / 30)
    assert found["labels"] == []
    assert found["read"]["labels_from"] is None


def test_a_chat_has_an_item_for_each_answer(tmp_path: Path) -> None:
    turns = [("user", "おはよう"), ("assistant", "😀"), ("user", "負けた"), ("assistant", "😢")]
    messages = [{"role": role, "content": content} for role, content in turns]
    asked = jsonl(tmp_path / "gold.jsonl", [{"id": n, "messages": messages} for n in "ab"])
    said = [{"id": f"{n}#{k}", "prediction": "😢"} for n in "ba" for k in (1, 2)]
    found = scored(asked, jsonl(tmp_path / "p.jsonl", said))
    assert (found["rows"], found["items"]) == (2, 4)
    assert value(found, "p", "accuracy") == 0.5


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_a_runs_own_predictions_give_its_own_numbers(tmp_path: Path, kind: Any) -> None:
    run = make(tmp_path, kind=kind)
    metrics = json.loads((run / "eval_metrics.json").read_text("utf-8"))
    file = run / "predictions.jsonl"
    task = {"label": "classify", "set": "tag", "text": "answer"}[kind]
    found = scored(file, file, kind=task)
    assert found["subject"] == "tuned"
    for system, scores in metrics["systems"].items():
        for name in metrics["headline"]:
            assert value(found, system, name) == pytest.approx(scores[name]["value"]), (
                system,
                name,
            )
    alone = scored(file, Named(file, "base"), kind=task)
    assert list(alone["systems"]) == ["base"]
    assert problems(file, Named(file, "bsae"), kind=task)[0][1] == "score.no-system"


def test_the_page_escapes_what_comes_from_the_files(tmp_path: Path) -> None:
    asked = gold(tmp_path, ["<b>政治</b>", "経済"] * 3)
    said = Named(lines(tmp_path / "p.txt", ["<b>政治</b>", "経済"] * 3), "<img src=x>|p")
    written = page(scored(asked, said))
    assert "&lt;img src=x>\\|p" in written
    assert "<b>" not in written
