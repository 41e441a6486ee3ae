"""The record of each task, family and way of answering."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from tests.records import handmade

from kunren.doctor.engine import write_findings
from kunren.evaluation.baselines import run_baselines
from kunren.messages import use_language
from kunren.records import trainlog
from kunren.report.format import joined, shown, untemplated, verbatim
from kunren.report.render import NOTES, render
from kunren.types import Item, Message, Prediction

EMOJI = (
    *("✨", "📚", "🎉", "😅", "⚽", "🤔", "🌞", "🔬", "🎵", "🔥", "💔", "🏀"),
    *("😄", "😊", "😢", "💭", "🌍", "🏆", "😲", "🎮", "🎻", "🇯🇵"),
)


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def made(path: Path) -> str:
    write_findings(path)
    render(path)
    return (path / "summary.md").read_text(encoding="utf-8")


def section(summary: str, heading: str, level: int = 2) -> str:
    marks = "#" * level
    found = re.search(
        rf"^{marks} {re.escape(heading)}$(.*?)(?=^#{{2,{level}}} |\Z)",
        summary,
        re.MULTILINE | re.DOTALL,
    )
    assert found is not None, heading
    return found[1]


def change_manifest(path: Path, **parts: dict[str, Any]) -> None:
    file = path / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for name, more in parts.items():
        content[name] |= more
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def of_sets(tmp_path: Path, tuned: Callable[[list[Item]], list[Prediction]], **more: Any) -> Path:
    asked = handmade.set_items(60, EMOJI)
    train = handmade.set_items(200, EMOJI, "train-")
    said = {"base": [Prediction(i.id, (), generated="よね", invalid=("よね",)) for i in asked]}
    said |= {"tuned": tuned(asked), **more.pop("said", {})}
    said |= run_baselines("all", "set", train, handmade.set_items(20, EMOJI, "v"), asked, EMOJI)
    return handmade.make(
        tmp_path, kind="set", asked=asked, labels=EMOJI, train=train, said=said, **more
    )


def sparkles(asked: list[Item]) -> list[Prediction]:
    return [Prediction(i.id, ("✨",), generated="✨ ✨ 填", invalid=("填",)) for i in asked]


def good_sets(asked: list[Item]) -> list[Prediction]:
    return handmade.set_answers(asked, 0.5, 2, EMOJI)


def test_data_of_sets_as_in_seed_001(tmp_path: Path) -> None:
    path = of_sets(tmp_path, good_sets)
    data = section(made(path), "データ")
    facts = json.loads((path / "manifest.json").read_text(encoding="utf-8"))["data"]
    whole = facts["sets"]["all"]
    rows = sum(facts["rows"].values())
    assert (
        f"| 全体 | {rows} | {whole['total']} | {whole['different']} | {whole['mean']:.2f} |" in data
    )
    assert "| 順位 | 絵文字 | 意味 | 出現数 | 割合 |" in data
    counts = {label: sum(said.values()) for label, said in facts["labels"].items()}
    first = max(counts, key=lambda label: counts[label])
    share = f"{100 * counts[first] / whole['total']:.1f} %"
    assert f"| 1 | {first} | きらきら | {counts[first]} | {share} |" in data
    ranks = [int(place) for place in re.findall(r"^\| (\d+) \|", data, re.MULTILINE)]
    assert ranks == list(range(1, 21))  # 20 of 22


def test_label_filters_are_told_step_by_step(tmp_path: Path) -> None:
    path = of_sets(tmp_path, good_sets)
    filters = {
        "before": 20_000,
        "labels_before": 1_300,
        "steps": [
            {"name": "ban", "setting": ["✨", "a|b"], "rows": 15_000, "labels": 1_298},
            {"name": "top", "setting": 50, "rows": 1_337, "labels": 50},
        ],
        "rows": 1_337,
        "kept": 0.06685,
        "rows_per_label": {"😊": 80, "📚": 20},
        "most_frequent": ["✨", "😊"],
        "before_filters": {"✨": 6_600, "😊": 2_000, "📚": 40},
    }
    change_manifest(path, data={"filters": filters})
    said = section(made(path), "ラベルによる絞り込み", 3)
    assert "20,000 件のうち 1,337 件が残りました (フィルタ率 6.7 %)" in said
    assert "1 種あたり最少 20 件、最多 80 件" in said
    assert "| 上位のラベルのみ | task.labels.top: 50 | 1,337 | 50 | 6.7 % |" in said
    assert r"a\|b" in said
    assert "フィルタをかける前の全データでの頻度 (上位 3 種)" in said
    assert "| 1 | ✨ | きらきら | 6,600 | 33.0 % | 0 |" in said
    assert "| 2 | 😊 | にこにこ | 2,000 | 10.0 % | 80 |" in said
    assert "絞り込み" not in section(made(of_sets(tmp_path, good_sets)), "データ")


def gold_sets(folder: Path) -> list[list[str]]:
    """The gold labels of the one run in a folder."""
    (file,) = folder.rglob("predictions.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["gold_labels"] for line in lines]


def test_a_collapse_is_seen_beside_gold(tmp_path: Path) -> None:
    summary = made(of_sets(tmp_path, sparkles))
    spread = section(summary, "回答の偏り (mode collapse の確認)", 3)
    lines = {line.split(" | ")[0].strip("| *"): line for line in spread.splitlines()}
    assert "**100.0 %** | **1** | **4.5 %** | **0.0 %**" in lines["学習後 (tuned)"]
    assert "| ✨ |" in lines["正解"]
    assert "| 22 | 100.0 % |" in lines["正解"]
    assert "予測全体の 100.0 % を占めます" in spread
    assert "仕組みとして" not in spread
    assert "重大" in section(summary, "所見")
    assert "過剰な予測" in section(summary, "課題のある例", 3)
    unbalanced = section(summary, "出しすぎ・出し足りないラベル", 3)
    gold = sum("✨" in labels for labels in gold_sets(tmp_path))
    assert f"| ✨ | {gold} | 60 | {60 / gold:.2f} 倍 | < 0.001 |" in unbalanced
    assert "| 填 | 文字列 | 60 |" in section(summary, "間違いの傾向")


def test_an_encoder_says_what_it_cannot_do(tmp_path: Path) -> None:
    experiment = handmade.config("set", model={"id": "x", "family": "encoder"})
    path = of_sets(
        tmp_path,
        lambda asked: handmade.set_answers(asked, 0.5, 2, EMOJI, False),
        experiment=experiment,
        base="probe",
    )
    (path / "model").mkdir()
    task = {"labels": list(EMOJI), "system": None, "threshold": 0.27}
    (path / "model" / "kunren_task.json").write_text(json.dumps(task), encoding="utf-8")
    summary = made(path)
    assert "仕組みとして起こりません" in section(summary, "回答の偏り (mode collapse の確認)", 3)
    results = section(summary, "結果")
    assert "元のモデルの埋め込み + ロジスティック回帰 (base)" in results
    assert "分類ヘッドは学習するまで存在しない" in results
    settings = section(summary, "設定")
    assert "ラベルごとの 2 値クロスエントロピー (BCE)" in settings
    assert "0.27 (検証データの Jaccard 係数が最大になる値)" in settings
    assert "evaluate.decoding" not in settings
    assert "kunren predict" in section(summary, "次の一手")
    assert "kunren chat" not in section(summary, "次の一手")


def test_a_model_that_is_not_above_a_constant_answer_is_told_so_first(tmp_path: Path) -> None:
    overview = section(made(of_sets(tmp_path, sparkles)), "概要")
    caution = overview.index("**注意**")
    assert caution < overview.index("**結論**")
    assert "「いつも同じ回答 (constant)」より悪い結果です" in overview
    assert "「TF-IDF + ロジスティック回帰」より悪い結果です" in overview
    praised = section(made(handmade.make(tmp_path, said=None)), "概要")
    assert praised.count("**注意**") >= 1  # baselines of handmade rows are hard to beat
    asked = handmade.items(60)
    said = {"base": handmade.answers(asked, 0.1, 1), "tuned": handmade.answers(asked, 0.9, 2)}
    assert "**注意**" not in section(made(handmade.make(tmp_path, asked=asked, said=said)), "概要")


def test_scratch_and_added_tokens_and_reload(tmp_path: Path) -> None:
    path = of_sets(tmp_path, good_sets)
    added = {
        "count": 5_222,
        "examples": list(EMOJI[:10]),
        "tied": True,
        "vocabulary": 37_350,
        "embedding_rows": 37_376,
    }
    model = {
        "pretrained": False,
        "added_tokens": added,
        "reload": {"rows": 8, "max_difference": 0.0},
    }
    change_manifest(path, model=model)
    summary = made(path)
    overview = section(summary, "概要")
    assert overview.index("事前学習されていません") < overview.index("**結論**")
    settings = section(summary, "設定")
    assert "5,222 個 (✨📚🎉😅⚽🤔🌞🔬🎵🔥…)" in settings
    assert "語彙 37,350、埋め込みの行 37,376" in settings
    assert "8 件で出力の差が最大 0 である" in settings
    assert "事前学習済みのモデルを使う" in section(summary, "次の一手")
    assert "事前学習されていません" in (path / "report.html").read_text(encoding="utf-8")
    change_manifest(path, model={"pretrained": True, "added_tokens": None})
    assert "事前学習されていません" not in made(path)


def test_ways_of_decoding_side_by_side(tmp_path: Path) -> None:
    chance = random.Random(3)

    def sampled(asked: list[Item]) -> list[Prediction]:
        drawn = [tuple(dict.fromkeys(chance.choices(EMOJI, k=3))) for _ in asked]
        return [
            Prediction(i.id, d, generated=" ".join(d)) for i, d in zip(asked, drawn, strict=True)
        ]

    asked = handmade.set_items(60, EMOJI)
    sample = {"sample": True, "temperature": 0.7, "top_k": 50, "top_p": 0.95}
    experiment = handmade.config(
        "set", evaluate={"decoding": {"beams": 4}, "also": {"sample": sample}}
    )
    path = of_sets(tmp_path, sparkles, said={"tuned_sample": sampled(asked)}, experiment=experiment)
    summary = made(path)
    settings = section(summary, "設定")
    assert "| evaluate.decoding | ビームサーチ (幅 4) |" in settings
    assert "サンプリング (温度 0.7、シード 42)、top-k 50、top-p 0.95" in settings
    said = section(summary, "生成方法の比較", 3)
    assert "回答が違ったのは 60 件中 60 件" in said
    assert "| 入力 | 正解 | 学習後 (tuned) | 学習後 (sample) |" in said
    assert said.count("| ✨ (集合外: 填) |") == 5
    assert "学習後 (sample)" in section(summary, "結果")
    assert "デコード) の比較" not in made(of_sets(tmp_path, sparkles))


def test_the_chosen_epoch_and_every_metric_of_it(tmp_path: Path) -> None:
    log = [
        {"epoch": float(n), "step": float(n), "loss": 2.0 / n, "eval_loss": 1.0 + n / 10}
        | {"eval_jaccard": n / 10, "eval_micro_f1": n / 9, "eval_top1_share": 0.5 - n / 10}
        for n in (1, 2, 3)
    ]
    experiment = handmade.config("set", train={"metric": "top1_share", "epochs": 3})
    path = of_sets(tmp_path, good_sets, experiment=experiment, training={"best_epoch": None})
    trainlog.write_log(path / trainlog.NAME, log)
    training = section(made(path), "学習の経過")
    assert "| 検証 Jaccard 係数 | 検証 マイクロ F1 | 検証 最頻予測の割合 |" in training
    assert "**3 ★**" in training
    assert "「最頻予測の割合」が最も低い" in training
    assert (path / "charts" / "metrics.png").is_file()


def test_loss_settings_and_what_does_not_apply(tmp_path: Path) -> None:
    experiment = handmade.config(
        "set", train={"loss": {"focal_gamma": 2.0, "class_weights": {"✨": 0.2, "a|b": 3.0}}}
    )
    settings = section(made(of_sets(tmp_path, good_sets, experiment=experiment)), "設定")
    assert "| train.loss.focal_gamma | 2 |" in settings
    assert r"| train.loss.class_weights | a\|b: 3、✨: 0.2 |" in settings
    for absent in ("label_smoothing", "level_weight", "tuning.r", "prefix_sharing", "hierarchy"):
        assert absent not in settings


def paths_of(tmp_path: Path, *, probe: bool = False) -> Path:
    labels = tuple(f"{a}/{b}" for a in ("国際", "国内", "科学", "文化") for b in "政経紛技")
    asked = handmade.items(96, labels)
    said = {
        "base": handmade.answers(asked, 0.2, 1, labels, not probe),
        "tuned": handmade.answers(asked, 0.6, 2, labels, not probe),
    }
    task = {"kind": "classify", "labels": {"hierarchy": "/"}}
    return handmade.make(
        tmp_path,
        asked=asked,
        labels=labels,
        said=said,
        path_levels=handmade.levels,
        experiment=handmade.config("label", task=task),
        base="probe" if probe else "model",
    )


def test_each_level_of_a_hierarchy(tmp_path: Path) -> None:
    path = paths_of(tmp_path, probe=True)
    summary = made(path)
    metrics = json.loads((path / "eval_metrics.json").read_text(encoding="utf-8"))
    tuned = metrics["systems"]["tuned"]
    results = section(summary, "結果")
    assert "正解率 (第 1 階層)" in results
    assert f"{100 * tuned['accuracy_level1']['value']:.1f} % [" in results
    trends = section(summary, "間違いの傾向")
    assert (
        f"第 1 階層までを見ると、正解は {100 * tuned['accuracy_level1']['value']:.1f} %" in trends
    )
    rows = [json.loads(x) for x in (path / "predictions.jsonl").read_text("utf-8").splitlines()]
    wrong = [(r["gold"], r["systems"]["tuned"]["label"]) for r in rows]
    wrong = [(g, p) for g, p in wrong if g != p]
    near = sum(g.split("/")[0] == p.split("/")[0] for g, p in wrong)
    assert f"誤り {len(wrong)} 件のうち {near} 件" in trends
    assert (path / "charts" / "confusion_level1.png").is_file()
    assert not (handmade.make(tmp_path) / "charts").exists()


def multi_turn(markup: str = "") -> list[Item]:
    asked = []
    for row in range(12):
        context: tuple[Message, ...] = ()
        for turn in range(3):
            question, answer = handmade.QUESTIONS[(row + turn) % 5]
            context = (*context, Message("user", f"{question} {row}"))
            answer += markup
            asked.append(Item(f"r{row}#{turn + 1}", f"r{row}", context, answer))
            context = (*context, Message("assistant", answer))
    return asked


MARKUP = "\n\n- **太字** | 表\n# 見出し\n<script>alert(1)</script>\n<!-- kunren:notes -->\n## メモ"


def of_texts(tmp_path: Path, markup: str = "", **more: Any) -> Path:
    asked = multi_turn(markup)
    said = {
        "base": handmade.text_answers(asked, 0.0, 1),
        "tuned": handmade.text_answers(asked, 0.5, 2),
    }
    return handmade.make(tmp_path, kind="text", asked=asked, said=said, **more)


def test_the_record_of_free_text(tmp_path: Path) -> None:
    path = of_texts(tmp_path)
    summary = made(path)
    data = section(summary, "データ")
    assert "中央値" in data
    assert "3 ターンが 12 件" in data
    assert "ラベル" not in data
    results = section(summary, "結果")
    assert "| システム | chrF | BLEU | ROUGE-L | 事実の再現率 | 完全一致率 |" in results
    assert "| システム | 文ごとの BLEU の平均 | ROUGE-1 | ROUGE-2 |" in results
    value = json.loads((path / "eval_metrics.json").read_text(encoding="utf-8"))
    low, high = value["systems"]["tuned"]["chrf"]["ci95"]
    points = value["systems"]["tuned"]["chrf"]["value"]
    assert f"**{points:.1f} [{low:.1f}, {high:.1f}]**" in results
    assert "書かれた事実が正しいかどうかは測れません" in results
    bad = section(summary, "課題のある例", 3)
    assert re.search(r"ターン目。前は「.*」→「.*」\]", section(summary, "予測サンプル"))
    assert "何も書いていない" in bad
    assert "| chrF |" in bad
    trends = section(summary, "間違いの傾向")
    assert "何も書かなかった行" in trends
    assert "同じ回答を返しています" in trends
    assert re.search(r"\d+ 件の正解にある事実 .* 個のうち、回答にあるのは \d+ 個", trends)
    assert "事実の抜け: " in bad
    assert sorted(p.name for p in (path / "charts").iterdir()) == [
        *("loss.png", "metrics.png", "scores.png"),
    ]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_answers_with_markup_stay_text(tmp_path: Path, language: str) -> None:
    use_language(language)  # type: ignore[arg-type]
    path = of_texts(tmp_path, MARKUP)
    summary = made(path)
    shown_ = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(summary)
    assert not set(re.findall(r"<(/?\w+)", shown_)) & {"script", "a", "em", "del"}
    assert "⏎ # 見出し" in shown_
    assert len(re.findall(rf"^{re.escape(NOTES)}$", summary, re.MULTILINE)) == 1
    page = (path / "report.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in page
    plain = re.findall(r"<noscript>.*?</noscript>", page, re.DOTALL)[-1]
    assert plain.count('<td class="text">') == 36
    assert "None" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_prompts_are_shown_in_full_and_cannot_break_the_record(tmp_path: Path) -> None:
    system = f"会社の案内係です。\n```\n{NOTES}\n\n\n\n## メモ\n| <b>a</b> | **b** |"
    template = "手順:\n1. 主題\n2. 分野\n\n{text}\n</pre><script>x</script>"
    task = {"kind": "answer", "system": system, "template": template}
    path = of_texts(tmp_path, experiment=handmade.config("text", task=task))
    summary = made(path)
    rendered = MarkdownIt("commonmark").enable("table").render(summary)
    blocks = re.findall(r"<pre><code>(.*?)</code></pre>", rendered, re.DOTALL)
    whole = "\n".join(blocks).replace("&lt;", "<").replace("&gt;", ">")
    for line in (*system.splitlines(), *template.splitlines()):
        assert line in whole
    assert "<b>" not in rendered
    notes = summary + "大事なこと\n"
    (path / "summary.md").write_text(notes, encoding="utf-8")
    assert made(path) == notes
    page = (path / "report.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "&lt;/pre&gt;&lt;script&gt;" in page


def test_the_template_is_not_part_of_the_text_in_a_table(tmp_path: Path) -> None:
    template = "見出しを分類してください。\n{{手順}} {media}\n見出し: {text}\n答え:"
    asked = [
        handmade.with_text(i, f"見出しを分類してください。\n{{手順}} 新聞\n見出し: {i.text}\n答え:")
        for i in handmade.items(40)
    ]
    task = {"kind": "classify", "labels": {"kind": "emoji"}, "template": template}
    path = handmade.make(tmp_path, asked=asked, experiment=handmade.config("label", task=task))
    samples = section(made(path), "予測サンプル")
    assert "見出し" not in samples
    assert "その" in samples


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_comparison_has_what_the_kind_needs(tmp_path: Path, kind: Any) -> None:
    path = handmade.make(tmp_path, kind=kind)
    made(path)
    with (path / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ("tuned_score" in rows[0]) == (kind != "label")
    changes = {row["change"] for row in rows}
    if kind == "label":
        assert changes <= {"fixed", "broken", "right", "wrong"}
        return
    assert changes <= {"better", "worse", "same"}
    for row in rows:
        gain = float(row["tuned_score"]) - float(row["base_score"])
        assert row["change"] == ("same" if gain == 0 else "better" if gain > 0 else "worse")


@pytest.mark.parametrize("kind", ["label", "set", "text"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_complete_in_both_languages_and_the_same_again(
    tmp_path: Path, kind: Any, language: Any
) -> None:
    use_language(language)
    path = handmade.make(tmp_path, kind=kind)
    summary = made(path)
    assert "None" not in summary
    assert not re.search(r"\bnan\b", summary.lower())
    first = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    made(path)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == first


@pytest.mark.parametrize("kind", ["set", "text"])
def test_a_perfect_and_a_useless_model(tmp_path: Path, kind: Any) -> None:
    asked = handmade.asked_of(kind, 20)
    right = handmade.said_to(kind, asked, 1.0, 1)
    none = [replace(p, labels=() if kind == "set" else None, generated="") for p in right]
    summary = made(handmade.make(tmp_path, kind=kind, asked=asked, said={"tuned": right}))
    assert "間違いはありません" in section(summary, "課題のある例", 3)
    summary = made(
        handmade.make(tmp_path, kind=kind, asked=asked, said={"base": right, "tuned": none})
    )
    assert "正解した行はありません" in section(summary, "良好な例", 3)
    assert "「学習前 (base)」より悪い結果です" in section(summary, "概要")


def test_what_is_wrong_with_a_set(tmp_path: Path) -> None:
    asked = handmade.set_items(9, EMOJI)
    wrong: list[tuple[str, ...]] = [("🫥",) for _ in asked]
    wrong[0] = (*asked[0].labels, "🇯🇵")
    wrong[1] = ()
    said = [Prediction(i.id, w) for i, w in zip(asked, wrong, strict=True)]
    path = handmade.make(tmp_path, kind="set", asked=asked, labels=EMOJI, said={"tuned": said})
    samples = section(made(path), "予測サンプル")
    assert "| 0.50 |" in section(samples, "良好な例", 3)
    bad = section(samples, "課題のある例", 3)
    assert "ラベルを 1 つも答えていない" in bad
    assert "1 つも重ならない" in bad
    assert bad.count("| 0.00 |") == 5


def test_the_path_to_a_model_is_not_told(tmp_path: Path) -> None:
    experiment = handmade.config("set", model={"id": "../../home/someone/t5", "family": "seq2seq"})
    path = of_sets(tmp_path, good_sets, experiment=experiment)
    assert "someone" not in made(path)


def old(path: Path) -> None:
    """Make a run folder what the first version of kunren wrote."""
    file = path / "eval_metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8"))
    for name in ("answers", "base", "primary", "headline", "compared", "metrics"):
        del metrics[name]
    file.write_text(json.dumps(metrics, ensure_ascii=False), encoding="utf-8")
    file = path / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    for name in ("sets", "lengths", "turns", "filters"):
        del manifest["data"][name]
    file.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    file = path / "predictions.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kept = ("label", "probability", "generated", "correct")
    for line in lines:
        del line["gold_labels"]
        line["systems"] = {s: {k: a[k] for k in kept} for s, a in line["systems"].items()}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    file = path / "config.yaml"
    content = file.read_text(encoding="utf-8")
    without = re.sub(r"^  (loss|metric|family):.*\n(    .*\n)*", "", content, flags=re.MULTILINE)
    file.write_text(without, encoding="utf-8")


def test_a_run_of_the_first_version_still_renders(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    new = made(path)
    copy = shutil.copytree(path, tmp_path / "copy")
    old(copy)
    was = made(copy)
    new = new.replace(" (低いほど良い)", "")  # that is told by "metrics", which it did not have
    for heading in ("結果", "予測サンプル", "間違いの傾向", "所見", "学習の経過", "概要"):
        assert section(was, heading) == section(new, heading)


def test_how_answers_are_written() -> None:
    assert joined(("📚", "🌍", "🇯🇵")) == "📚🌍🇯🇵"
    assert joined(("経済", "📚")) == "経済、📚"
    assert joined(()) == "(なし)"
    assert shown(" はい。\r\n\r\n- 一\n- 二 ") == "はい。 ⏎ - 一 ⏎ - 二"
    assert len(shown("あ" * 500)) == 160
    assert verbatim("a\n\nb\x1b") == "    a\n    \n    b\\u001b"


@pytest.mark.parametrize(
    ("said", "template", "text"),
    [
        ("題: a\nb 答", "題: {text} 答", "a\nb"),
        ("x {a} 1: y", "x {{a}} {n}: {text}", "y"),
        ("y / y", "{text} / {text}", "y"),
        ("y / z", "{text} / {text}", "y / z"),  # not made by this template
        ("chat turn", "題: {text}", "chat turn"),
        ("題: a}", "題: {text}}", "題: a}"),  # not a template any more
        ("a", "{text}", "a"),
    ],
)
def test_the_text_without_its_template(said: str, template: str, text: str) -> None:
    assert untemplated(said, template) == text
