"""What the record says of a result: its change in percent, whether to believe it, its rounds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.messages import use_language
from kunren.report import changes
from kunren.report.render import render


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def made(path: Path) -> str:
    render(path)
    return (path / "summary.md").read_text(encoding="utf-8")


def section(summary: str, heading: str, level: int = 2) -> str:
    found = re.search(
        rf"^{'#' * level} {heading}$(.*?)(?=^#{{2,{level}}} |\Z)", summary, re.MULTILINE | re.DOTALL
    )
    assert found is not None, heading
    return found[1]


def change_file(path: Path, name: str, **more: Any) -> None:
    file = path / name
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | more, ensure_ascii=False), encoding="utf-8")


def run(tmp_path: Path, base: float = 0.2, tuned: float = 0.8, **others: float) -> Path:
    asked = handmade.items(40)
    shares = {"base": base, "tuned": tuned, **others}
    said = {
        name: handmade.answers(asked, right, seed)
        for seed, (name, right) in enumerate(shares.items())
    }
    return handmade.make(tmp_path, asked=asked, said=said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (0.058, 0.120, "+107 %"),  # seed 000: 0.058 → 0.120
        (0.120, 0.115, "-4.2 %"),
        (0.01, 0.35, "+3,400 %"),
        (0.5, 0.5, "+0.0 %"),
        (0.0, 0.3, "—"),
        (-0.2, 0.3, "—"),
    ],
)
def test_a_change_in_percent(old: float, new: float, said: str) -> None:
    assert changes.relative(old, new) == said


def test_a_change_is_told_in_the_metrics_unit_and_in_percent() -> None:
    assert changes.change(0.2, 0.8) == "+60.0 ポイント (+300 %)"
    assert changes.change(0.0, 0.8) == "+80.0 ポイント (—)"
    assert changes.change(26.9, 30.0, "points") == "+3.1 点 (+12 %)"
    assert changes.change(34, 16, "count") == "-18 (-53 %)"
    assert changes.change(0.1, -0.2, "count", percent=False) == "-0.30 (—)"


def test_changes_stand_against_base_and_the_best_baseline(tmp_path: Path) -> None:
    summary = made(run(tmp_path, majority=0.3, tfidf_logreg=0.8))
    trained = section(summary, "学習による変化", 3)
    assert (
        "| **正解率** | **20.0 %** | **80.0 %** | **+60.0 ポイント (+300 %)** | **改善** |"
        in trained
    )
    assert "集合外の回答の割合 (低いほど良い)" in trained
    rival = section(summary, "最良の単純な手法「TF-IDF \\+ ロジスティック回帰」との差", 3)
    assert "+0.0 ポイント (+0.0 %)** | **差は不明** |" in rival


VERDICTS = {
    "believed": ({}, {"majority": 0.3}, "はい、この件数の範囲では。"),
    "trivial unclear": ({}, {"majority": 0.8}, "一部は。"),
    "trivial better": ({"tuned": 0.6}, {"majority": 1.0}, "モデルを使う理由はありません"),
    "trivial absent": ({}, {}, "一部は。"),
    "unclear": ({"base": 0.75}, {"majority": 0.3}, "まだ判断できません。"),
    "worse": ({"base": 0.9, "tuned": 0.2}, {}, "悪化は偶然では説明しにくい差です。"),
}


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("language", ["ja", "en"])
def test_whether_to_believe_it(tmp_path: Path, name: str, language: Any) -> None:
    use_language(language)
    shares, trivial, answer = VERDICTS[name]
    summary = made(run(tmp_path, **shares, **trivial))
    heading = "この結果を信用してよいか" if language == "ja" else r"Can this be believed\?"
    said = section(summary, heading)
    assert len(re.findall(r"^\|", said, re.MULTILINE)) == 2 + 6
    assert "None" not in said
    if language == "ja":
        assert answer in said
    else:
        assert not re.search("[ぁ-ん]", said)


def test_the_grounds_are_those_of_the_run(tmp_path: Path) -> None:
    path = run(tmp_path, majority=0.8)
    pairs = json.loads((path / "eval_metrics.json").read_text(encoding="utf-8"))["paired"]
    for pair in pairs:
        unclear = pair["verdict"] == "indistinguishable"
        pair |= {"p_holm": min(1.0, 2 * pair["p"]), "rows_needed": 1234 if unclear else None}
    bare = [{k: v for k, v in p.items() if k not in ("p_holm", "rows_needed")} for p in pairs]
    change_file(path, "eval_metrics.json", paired=bare)
    plain = made(path)
    assert "補正後" not in plain
    assert "必要な件数" not in plain
    change_file(path, "eval_metrics.json", paired=pairs)
    summary = made(path)
    said = section(summary, "この結果を信用してよいか")
    assert "テスト約 1,234 件で確かめられる" in said
    assert "検証 10 件の「正解率」で 4 エポックから選択" in said
    assert "1 回 (シード 42)" in said
    results = section(summary, "結果")
    assert "p 値 (補正後)" in results
    assert "約 1,234 件" in results
    unclear = next(p for p in pairs if p["verdict"] == "indistinguishable")
    assert f"p = {unclear['p_holm']:.3f}" in section(summary, "概要")


def test_a_finding_of_overlap_takes_the_trust_away(tmp_path: Path) -> None:
    path = run(tmp_path, majority=0.3)
    leak = {"code": "D003", "slug": "split-leakage", "severity": "critical", "message": "重なり"}
    finding: dict[str, object] = {**leak, "evidence": {}, "fix": None}
    (path / "findings.json").write_text(
        json.dumps({"findings": [finding], "skipped": []}), encoding="utf-8"
    )
    said = section(made(path), "この結果を信用してよいか")
    assert "高めに出ていると考えてください" in said
    assert "所見あり: split-leakage" in said


@pytest.mark.parametrize("slug", ["duplicate-rows", "near-duplicates", "leaky-relu-overlap"])
def test_only_a_rule_that_means_a_leak_is_taken_for_one(tmp_path: Path, slug: str) -> None:
    path = run(tmp_path, majority=0.3)
    finding = {"code": "D001", "slug": slug, "severity": "info", "message": "重なり"}
    (path / "findings.json").write_text(
        json.dumps({"findings": [{**finding, "evidence": {}, "fix": None}], "skipped": []}),
        encoding="utf-8",
    )
    assert "高めに出ている" not in section(made(path), "この結果を信用してよいか")


def rounds(path: Path, folds: list[int | None], seeds: list[int]) -> None:
    values = [0.8 + 0.02 * n for n in range(len(folds))]
    told = [
        {"fold": fold, "seed": seed, "rows": 40, "values": {"accuracy": v, "macro_f1": None}}
        for fold, seed, v in zip(folds, seeds, values, strict=True)
    ]
    spread = {"mean": 0.82, "sd": 0.02, "min": 0.8, "max": 0.84, "rounds": len(folds)}
    change_file(path, "eval_metrics.json", rounds=told, spread={"accuracy": spread})


def test_seeds_are_told_with_their_spread(tmp_path: Path) -> None:
    path = run(tmp_path)
    assert "繰り返しの結果" not in made(path)
    rounds(path, [None] * 3, [42, 43, 44])
    summary = made(path)
    said = section(summary, "繰り返しの結果", 3)
    assert "シードだけを 3 通りに変えて" in said
    assert "80.0 % から 84.0 % の間にあり、平均は 82.0 %、標準偏差は 2.0 ポイントです" in said
    assert "学習前との差 (+60.0 ポイント) は、シードの違いだけで生じる" in said
    assert "30.0 倍です" in said
    assert "| 2 | 43 | 40 | 82.0 % |" in said
    assert "**82.0 % ± 2.0**" in said
    assert "分割" not in said.split("|")[1:][0]
    trust = section(summary, "この結果を信用してよいか")
    assert "3 回。正解率の平均 82.0 %、標準偏差 2.0 ポイント" in trust


@pytest.mark.parametrize("language", ["ja", "en"])
def test_folds_are_told_and_a_small_gain_is_set_beside_them(tmp_path: Path, language: Any) -> None:
    use_language(language)
    path = run(tmp_path, base=0.775)
    rounds(path, [1, 2, 3, 1, 2, 3], [1, 1, 1, 2, 2, 2])
    said = made(path)
    assert ("交差検証" if language == "ja" else "cross-validation") in said
    assert ("1.3 倍しかなく" if language == "ja" else "only 1.3 times") in said


def test_what_was_tried_is_told_in_plain_words(tmp_path: Path) -> None:
    said = section(made(run(tmp_path, majority=0.3, nearest=0.4)), "概要").strip().split("\n")[0]
    assert said == (
        "package:gemma-3-270m (causal) を学習させると、"
        "文に合う絵文字を 5 種から 1 つ選べるようになるかを試した実験です。"
        "tweets.jsonl の 60 件で学習し (すべての重みを調整)、"
        "学習に使っていないテスト 40 件への回答を、学習前のモデルや単純な手法 2 種と比べました。"
    )
    text = section(made(handmade.make(tmp_path, kind="text")), "概要")
    assert "質問や発言に文章で答えられるようになるか" in text


def test_frequencies_of_one_label_have_rank_and_share(tmp_path: Path) -> None:
    data = section(made(run(tmp_path)), "データ")
    assert "| 順位 | 絵文字 | 意味 | 出現数 | 割合 | 学習 | 検証 | テスト |" in data
    assert "| 1 | 😀 | にっこり笑う | 22 | 20.0 % | 12 | 2 | 8 |" in data


def test_tendencies_of_labels_are_told_in_words(tmp_path: Path) -> None:
    summary = made(run(tmp_path, base=0.2, tuned=0.8))
    trends = section(summary, "間違いの傾向")
    assert "正解に変わったのは 24 件、誤りに変わったのは 0 件です (正解のまま 8 件" in trends
    rows = (tmp_path / "ためし_20251224" / "predictions.jsonl").read_text(encoding="utf-8")
    wrong = [
        said
        for line in rows.splitlines()
        if not (said := json.loads(line)["systems"]["tuned"])["correct"]
    ]
    sure = sum(said["probability"] >= 0.8 for said in wrong)
    assert f"誤り {len(wrong)} 件のうち {sure} 件" in trends


def test_each_label_is_told_with_what_it_gained_or_lost() -> None:
    def of(recall: float | None, f1: float | None, support: int = 4) -> dict[str, Any]:
        return {"support": support, "predicted": 4, "precision": f1, "recall": recall, "f1": f1}

    old = {
        "経済": of(0.25, 0.4),
        "国際": of(0.75, 0.6),
        "芸能": of(0.5, 0.5),
        "暮らし": of(None, None, 0),
    }
    new = {
        "経済": of(1.0, 0.8),
        "国際": of(0.0, None),
        "芸能": of(0.5, 0.5),
        "暮らし": of(None, None, 0),
    }
    table = changes.by_label({"per_label": {"base": old, "tuned": new}})
    assert table is not None
    assert table.rows == [
        ["経済", "4", "25.0 %", "100.0 %", "0.40", "0.80", "+0.40"],
        ["国際", "4", "75.0 %", "0.0 %", "0.60", "0.00", "-0.60"],
    ]
    assert changes.by_label({"per_label": {"tuned": new}}) is None
    assert changes.by_label({"per_label": {"base": new, "tuned": new}}) is None
    many = {f"ラベル{n:02}": of(0.5, 0.5) for n in range(60)}
    gained = {name: of(0.5, 0.5 + (n - 29.5) / 100) for n, name in enumerate(many)}
    table = changes.by_label({"per_label": {"base": many, "tuned": gained}})
    assert table is not None
    shown = [row[0] for row in table.rows]
    assert shown == [f"ラベル{n:02}" for n in (*range(59, 49, -1), *range(9, -1, -1))]


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (2, "0.7000 (採用したエポック 2。学習を通じて最小)"),
        (3, "0.8000 (採用したエポック 3。最小はエポック 2 の 0.7000)"),
    ],
)
def test_the_loss_on_the_validation_rows_is_among_the_results(
    tmp_path: Path, kept: int, said: str
) -> None:
    path = handmade.make(tmp_path)
    (path / "train_log.csv").write_text(
        "epoch,eval_loss,learning_rate,loss,step\n1,0.9,1e-4,1.0,5\n2,0.7,1e-4,0.9,10\n"
        "3,0.8,1e-4,0.8,15\n",
        encoding="utf-8",
    )
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    manifest["training"]["best_epoch"] = kept
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    render(path)
    for name in ("summary.md", "report.html"):
        assert said in (path / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("2025-12-23T18:30", "2025-12-23 09:05 〜 18:30"),
        ("2025-12-24T02:00", "2025-12-23 09:05 〜 2025-12-24 02:00"),
    ],
)
def test_the_period_and_the_memory_of_a_run(tmp_path: Path, ended: str, said: str) -> None:
    path = handmade.make(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    manifest["period"] = ["2025-12-23T09:05", ended]
    manifest["model"] |= {"trainable": 2_000_000, "parameters": 1_000_000_000, "dtype": "bfloat16"}
    manifest["training"] |= {"peak_memory_bytes": 3 * 2**30, "memory_kind": "cuda-peak"}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    render(path)
    summary = (path / "summary.md").read_text("utf-8")
    assert f"| 実験期間 | {said} |" in summary
    assert (
        "勾配と AdamW の状態に 27 MiB (全重みを調整するなら 13.04 GiB)。"
        "学習中の最大 3.00 GiB (実測、GPU)" in summary
    )
