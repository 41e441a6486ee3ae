"""The output rules on a run of another tool: twenty sampled answers and a few scores."""

from __future__ import annotations

from typing import Any

from kunren.data.emoji import split_emoji
from kunren.doctor.engine import Evidence, examine
from kunren.doctor.others import told_by_answers
from kunren.doctor.table import OUTPUT
from kunren.messages import use_language
from kunren.records.predictions import Answer, Predicted

SAMPLE = (
    ("転校先でも友だちができた、手紙を書くね", "😊✉️🏫", "📚📚🎵😊😊"),
    ("地図アプリを日本語にしたら迷わなくなった", "🗺️📍😊", "🇯🇵📚🇯🇵😊😊"),
    ("後半の采配、しびれたわ", "⚽🔥👏", "😊👏🤔😊🎉"),
    ("係数の導出を三回まちがえた", "🧠💡😲", "😊😊😊🇯🇵🤝"),
    ("はんだごてを新調した", "🔧⚙️💡", "🎵😊🇯🇵🤝😊"),
    ("朝練のあとの味噌汁がしみる", "🥣🌞", "😊📚😊🎉"),
    ("図書館の新刊コーナーに通っている", "📚👀", "📚📚😊😊"),
    ("祖父の将棋盤をゆずり受けた", "👴🎁", "🇯🇵😊📚😊"),
    ("台風で花火が延期になった", "🌀🎆😢", "😊🎉😊🎵"),
    ("弟が逆上がりをできるようになった", "👦👏🎉", "😊🎉👏😊"),
    ("初めて一人で新幹線に乗った", "🚄🎒", "🇯🇵😊🇯🇵📚"),
    ("発表の順番が一番になった", "😱📊", "📚😊📚😊"),
)


def rows(sample: tuple[tuple[str, str, str], ...] = SAMPLE) -> list[Predicted]:
    found = []
    for n, (text, gold, pred) in enumerate(sample):
        right = tuple(dict.fromkeys(split_emoji(gold)))
        said = tuple(dict.fromkeys(split_emoji(pred)))
        score = len(set(right) & set(said)) / len(set(right) | set(said))
        answer = Answer(said, generated=pred, correct=False, score=score)
        found.append(Predicted(f"s{n}", f"s{n}", text, gold, right, {"tuned": answer}))
    return found


def look(told: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    use_language("ja")
    found = examine(Evidence(told), rules=OUTPUT)
    return {f["slug"]: f for f in found["findings"]}, {s["slug"] for s in found["skipped"]}


def test_a_soft_collapse_shows_in_a_sample() -> None:
    scores = {"jaccard": {"value": 0.12, "n_scored": 424}, "exact_match": {"value": 0.0}}
    findings, skipped = look(told_by_answers("set", rows(), scores))
    assert set(findings) == {"soft-collapse"}
    said = findings["soft-collapse"]
    assert "「😊」は回答 12 件、正解 2 件" in said["message"]
    assert "12 件中 12 件 (100.0 %)" in said["message"]
    assert said["severity"] == "warning"
    assert {"not-better-than-base", "below-trivial", "small-evaluation", "out-of-set"} <= skipped


def test_scores_alone_are_looked_at() -> None:
    scores = {"bleu": {"value": 0.6}, "rougeL": {"value": 0.0}, "bertscore": {"value": 0.0}}
    findings, skipped = look(told_by_answers("text", [], scores))
    assert set(findings) == {"zero-scores"}
    assert findings["zero-scores"]["evidence"]["metrics"] == ["rougeL", "bertscore"]
    assert {"mode-collapse", "empty-answers", "other-language"} <= skipped


def test_nothing_told_is_nothing_quiet() -> None:
    findings, skipped = look(told_by_answers("label", [], {}, {"task.template": "見出し: {text}"}))
    assert not findings
    assert skipped == {rule.slug for rule in OUTPUT}


def test_settings_reach_the_patch() -> None:
    gold = ["✨📚", "✨🎉", "✨⚽", "✨🎵", "🔥😊"] * 6
    always = tuple((f"その{n}", labels, "✨✨✨") for n, labels in enumerate(gold))
    settings = {"task.labels.ban": ["🎵"], "task.labels.top": 50, "notes": "x"}
    findings, _ = look(told_by_answers("set", rows(always), {}, settings))
    assert findings["mode-collapse"]["severity"] == "critical"
    assert findings["mode-collapse"]["fix"] == {"set": {"task.labels.ban": ["🎵", "✨"]}}
