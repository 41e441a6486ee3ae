from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.doctor.engine import write_findings
from kunren.messages import use_language
from kunren.report.render import render

SPEED = {
    "rows": 40, "seconds": 8.0, "rows_per_second": 5.0, "tokens_read": 4000,
    "tokens_written": 800, "tokens_per_second": 600.0, "peak_memory_bytes": 1610612736,
    "memory_kind": "process-peak", "device": "cpu", "batch_size": 16,
}  # fmt: skip
USED = {"asked": 3, "passages": 26, "used": {"2": 10, "3": 30}, "items_with_numbers": 20,
        "found": 13, "in_documents": 19, "hit_rate": 0.65}  # fmt: skip


def record(output: Path, **more: Any) -> str:
    asked = handmade.text_items(40)
    said = {
        "base": handmade.text_answers(asked, 0.1, 1),
        "tuned": handmade.text_answers(asked, 0.6, 2),
        "few_shot": handmade.text_answers(asked, 0.3, 3),
        "retrieval": handmade.text_answers(asked, 0.7, 4),
    }
    path = handmade.make(output, said=said, asked=asked, kind="text")
    file = path / "eval_metrics.json"
    metrics = json.loads(file.read_text("utf-8")) | more
    file.write_text(json.dumps(metrics), "utf-8")
    write_findings(path)
    render(path)
    assert ("速さとメモリ" in (path / "report.html").read_text("utf-8")) == bool(more.get("speed"))
    return (path / "summary.md").read_text("utf-8")


def test_the_best_baseline_may_be_the_untuned_model_with_passages(tmp_path: Path) -> None:
    said = record(tmp_path)
    conclusion = next(line for line in said.splitlines() if line.startswith("**結論**"))
    assert "学習前 + 資料の検索 (retrieval)" in conclusion
    assert "| 学習前 + 例示 (few-shot) |" in said


def test_what_was_put_into_the_prompts_is_told(tmp_path: Path) -> None:
    prompted = {"few_shot": {"asked": 4, "used": {"4": 40}}, "retrieval": USED}
    said = record(tmp_path, prompted=prompted)
    assert "最も似た学習データ 4 件" in said
    assert "資料 (26 個の断片) から検索した 3 個" in said
    assert "2〜3 個、平均 2.75 個" in said
    assert said.count("減らした質問があります") == 1
    assert "20 件のうち、渡した断片にその数字がすべてあったのは 13 件 (65.0 %)" in said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"reason": "family"}, "指示や例を読んで答えるようには作られていない"),
        ({"reason": "not-pretrained"}, "事前学習をしていない"),
        ({"asked": 4, "used": {"0": 40}}, "1 つも収まらなかった"),
    ],
)
def test_what_there_is_not_is_told_with_its_reason(
    facts: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert said in record(tmp_path, prompted={"few_shot": facts})


def test_speed_is_a_small_table_and_a_missing_figure_a_dash(tmp_path: Path) -> None:
    unknown = SPEED | {"peak_memory_bytes": None, "memory_kind": "process-peak-ever"}
    said = record(tmp_path, speed={"base": SPEED, "tuned": unknown})
    assert "| 学習前 (base) | 5.0 | 600 | 8.0 | 1.50 GiB | 16 | CPU |" in said
    assert "| **学習後 (tuned)** | **5.0** | **600** | **8.0** | **—** | **16** | **CPU** |" in said
    assert "答えている間にプロセス全体" in said
    assert "学習中のものも含みます" in said


def test_a_record_of_before_there_was_a_speed_has_no_empty_section(tmp_path: Path) -> None:
    use_language("en")
    try:
        said = record(tmp_path)
    finally:
        use_language("ja")
    assert "Speed and memory" not in said
    assert "Few-shot:" not in said
