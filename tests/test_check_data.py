"""What ``kunren check`` finds in data files as people have them, from the file to the finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kunren.check import RULES, evidence_of
from kunren.config.load import load
from kunren.config.patch import options
from kunren.doctor.engine import examine
from kunren.doctor.remarks import remarks
from kunren.errors import InputError
from kunren.plan import prepare


def found(folder: Path, rows: list[dict[str, Any]], config: str, *changes: str) -> dict[str, Any]:
    """The findings on rows, by their rules' slugs; those that another one says are left out."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    model = 'model: {id: "scratch:bert-small"}\n'
    (folder / "c.yaml").write_text(f"name: c\n{model}{config}", "utf-8")
    plan = prepare(load(folder / "c.yaml", changes))
    told = examine(evidence_of(plan, None), {}, RULES)["findings"]
    return {remark.finding["slug"]: remark.finding for remark in remarks(told)}


def test_a_pair_of_which_half_is_read(tmp_path: Path) -> None:
    dishes = [
        "味噌汁",
        "焼き魚",
        "煮物",
        "天ぷら",
        "漬物",
        "茶碗蒸し",
        "おひたし",
        "豚汁",
        "酢の物",
        "雑炊",
    ]
    verdicts = (("とてもおいしい", "肯定"), ("塩辛すぎる", "否定"), ("初めて頼んだ", "中立"))
    rows = [
        {
            "評": f"昼に食べた{dish}についての感想。",
            "文": f"店の{dish}は{said}と書いた。",
            "判定": label,
        }
        for dish in dishes
        for said, label in verdicts
    ]
    config = "task: {kind: classify}\ndata: {train: rows.jsonl, fields: {text: 評, label: 判定}}\n"
    told = found(tmp_path, rows, config)
    assert "conflicting-labels" not in told
    finding = told["unread-columns"]
    assert finding["severity"] == "warning"
    assert "列「文」" in finding["message"]
    assert "30 件のうち 30 件" in finding["message"]
    assert finding["fix"] == {"set": {"task.template": "評: {text}\n文: {文}"}}
    assert options(finding["fix"]["set"]).startswith("--set 'task.template=\"評: {text}")
    mended = found(tmp_path, rows, config, 'task.template="評: {text}\\n文: {文}"')
    assert not {"unread-columns", "conflicting-labels", "duplicate-rows"} & mended.keys()


def test_free_answers_that_refuse_and_contradict(tmp_path: Path) -> None:
    rooms = ["会議室", "食堂", "倉庫", "受付", "資料室", "駐車場", "屋上", "医務室"]
    rows = [{"q": f"{room}の鍵はどこですか。", "a": f"{room}の鍵は {n} 番の棚です。"} for n, room in
            enumerate(rooms)]  # fmt: skip
    rows += [{"q": f"{room}の広さは。", "a": "資料に記載がありません。"} for room in rooms[:4]]
    rows += [{"q": f"{room}の電話は。", "a": "資料には記載がございません"} for room in rooms[:2]]
    rows += [{"q": "この次は何をしますか。", "a": f"{room}に戻ります。"} for room in rooms[:5]]
    config = "task: {kind: answer}\ndata: {train: rows.jsonl, fields: {text: q, label: a}}\n"
    told = found(tmp_path, rows, config)
    assert "rows.jsonl:15、" in told["conflicting-answers"]["message"]
    assert "19 件のうち 6 件 (31.6 %)" in told["dominant-answer"]["message"]


def test_a_label_that_cannot_be_held_out(tmp_path: Path) -> None:
    rows = [{"text": f"{n} 月の会議の件", "label": "通常"} for n in range(58)]
    rows += [{"text": said, "label": "迷惑"} for said in ("当選しました", "無料で差し上げます")]
    config = "task: {kind: classify}\ndata: {train: rows.jsonl}\n"
    assert (
        "テストと検証に 1 件もありません: 迷惑 (2)"
        in (found(tmp_path, rows, config)["untested-labels"]["message"])
    )
    rows.append({"text": "今すぐ登録を", "label": "迷惑"})
    assert "untested-labels" not in found(tmp_path, rows, config)
    folds = found(tmp_path, rows, config, "evaluate.cv=5")["untested-labels"]["message"]
    assert "5 分割のうち" in folds


def test_rows_that_differ_only_where_nothing_reads_cannot_be_split(tmp_path: Path) -> None:
    rows = [
        {"question": "何歳ですか。", "context": f"ポチは {n} 歳です。", "answer": f"{n} 歳です。"}
        for n in range(12)
    ]
    config = "task: {kind: answer}\ndata: {train: rows.jsonl}\n"
    with pytest.raises(InputError) as error:
        found(tmp_path, rows, config)
    assert "異なるデータが 1 件しか" in str(error.value)
    assert "列「context」は読んでいません" in str(error.value)
    assert found(tmp_path, rows, config, 'task.template="{text} / {context}"')


def test_rows_of_two_files_that_differ_only_where_nothing_reads(tmp_path: Path) -> None:
    pairs = [
        {"text": f"{n} 時に着いた。", "text2": f"{n + 1} 時に出た。", "label": "ab"[n % 2]}
        for n in range(9)
    ]
    other = [pair | {"text2": "まだ着かない。"} for pair in pairs[:2]]
    lines = [json.dumps(row, ensure_ascii=False) for row in other]
    (tmp_path / "test.jsonl").write_text("\n".join(lines), "utf-8")
    config = "task: {kind: classify}\ndata: {train: rows.jsonl, test: test.jsonl}\n"
    with pytest.raises(InputError) as error:
        found(tmp_path, pairs, config)
    codes = [problem.code for problem in error.value.problems]
    assert codes == ["data.in-two-files", "data.in-two-files", "data.perhaps-unread"]
    assert "列「text2」" in str(error.value)
