"""The rules where an answer is a set of labels, a text, or one of several turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.doctor.engine import diagnose
from kunren.doctor.table import BY_SLUG
from kunren.messages import use_language
from kunren.types import Item, Message, Prediction

LABELS = ("✨", "📚", "🎉", "😅", "⚽", "🤔", "🌞", "🔬")


@pytest.fixture(autouse=True)
def japanese() -> None:
    use_language("ja")


def look(path: Path) -> dict[str, dict[str, Any]]:
    return {finding["slug"]: finding for finding in diagnose(path)["findings"]}


def skipped(path: Path) -> dict[str, str]:
    return {rule["slug"]: rule["reason"] for rule in diagnose(path)["skipped"]}


def of_sets(tmp_path: Path, tuned: Sequence[Prediction], **said: Any) -> dict[str, dict[str, Any]]:
    asked = handmade.set_items(len(tuned), LABELS)
    said = {"base": handmade.set_answers(asked, 0.1, 1, LABELS, False), **said}
    return look(
        handmade.make(
            tmp_path, kind="set", asked=asked, labels=LABELS, said={**said, "tuned": tuned}
        )
    )


def test_sparkles_to_everything_is_a_collapse(tmp_path: Path) -> None:
    asked = handmade.set_items(80, LABELS)
    always = [Prediction(i.id, ("✨",), generated="✨ ✨ ✨") for i in asked]
    found = of_sets(tmp_path, always)["mode-collapse"]
    assert found["severity"] == "critical"
    assert found["evidence"]["label"] == "✨"
    assert found["evidence"]["share"] == 1.0


def test_one_label_among_others_in_every_set_is_a_collapse(tmp_path: Path) -> None:
    asked = handmade.set_items(80, LABELS)
    mostly = [
        Prediction(i.id, ("✨", LABELS[1 + n % 7]) if n % 4 == 0 else ("✨",))
        for n, i in enumerate(asked)
    ]
    found = of_sets(tmp_path, mostly)["mode-collapse"]
    assert "というラベルに偏っています" in found["message"]
    assert found["evidence"]["share"] == pytest.approx(80 / 100)


def test_varied_sets_are_none(tmp_path: Path) -> None:
    asked = handmade.set_items(80, LABELS)
    found = of_sets(tmp_path, handmade.set_answers(asked, 0.9, 2, LABELS))
    assert "mode-collapse" not in found
    assert "majority-trap" not in found


def test_pieces_that_are_no_labels(tmp_path: Path) -> None:
    asked = handmade.set_items(80, LABELS)
    wild = [Prediction(i.id, i.labels, generated="填", invalid=("填", "🫠")) for i in asked]
    found = of_sets(tmp_path, wild)["out-of-set"]
    total = sum(len(i.labels) for i in asked) + 160
    assert found["evidence"]["rate"] == pytest.approx(160 / total)
    assert found["evidence"]["new_emoji"] == 80
    assert found["severity"] == "warning"
    clean = [Prediction(i.id, i.labels, generated="".join(i.labels)) for i in asked]
    assert "out-of-set" not in of_sets(tmp_path, clean)


def test_a_classification_head_writes_nothing(tmp_path: Path) -> None:
    asked = handmade.set_items(40, LABELS)
    said = {
        "base": handmade.set_answers(asked, 0.1, 1, LABELS, False),
        "tuned": handmade.set_answers(asked, 0.9, 2, LABELS, False),
    }
    path = handmade.make(tmp_path, kind="set", asked=asked, labels=LABELS, said=said)
    assert "自由生成をしていません" in skipped(path)["out-of-set"]
    assert "1 つのラベル" in skipped(path)["majority-trap"]


def test_sets_are_judged_by_jaccard(tmp_path: Path) -> None:
    asked = handmade.set_items(80, LABELS)
    better = handmade.set_answers(asked, 0.95, 3, LABELS, False)
    tuned = handmade.set_answers(asked, 0.3, 2, LABELS, False)
    found = of_sets(tmp_path, tuned, base=better, nearest=better)
    for slug, rival in (("not-better-than-base", "base"), ("below-trivial", "nearest")):
        assert found[slug]["severity"] == "critical"
        assert found[slug]["evidence"]["metric"] == "jaccard"
        assert found[slug]["evidence"][rival] > found[slug]["evidence"]["tuned"]
        assert "Jaccard" in found[slug]["message"]


def of_texts(tmp_path: Path, tuned: Sequence[str], rows: int = 60) -> Path:
    asked = handmade.text_items(rows)
    said = {
        "base": handmade.text_answers(asked, 0.0, 1),
        "tuned": [Prediction(i.id, None, generated=s) for i, s in zip(asked, tuned, strict=True)],
    }
    return handmade.make(tmp_path, kind="text", asked=asked, said=said)


def test_rules_that_need_labels_say_that_a_text_has_none(tmp_path: Path) -> None:
    path = of_texts(tmp_path, [i.answer for i in handmade.text_items(60)])
    reasons = skipped(path)
    of_labels = {"out-of-set", "majority-trap", "soft-collapse"}
    of_one = {"confusable-labels", "shortcut-words"}
    others = {"below-trivial", "turn-collapse", "solved-by-baseline"}
    assert {x for x in reasons if BY_SLUG[x].code.startswith("O")} == of_labels | of_one | others
    assert "自由な文" in reasons["out-of-set"]
    assert "mode-collapse" not in look(path)
    assert "not-better-than-base" not in look(path)


def test_one_text_to_everything_is_a_collapse(tmp_path: Path) -> None:
    found = look(of_texts(tmp_path, ["東京です。"] * 60))
    assert found["mode-collapse"]["severity"] == "critical"
    assert found["mode-collapse"]["evidence"]["distinct"] == 1
    empty = look(of_texts(tmp_path, [""] * 60))["mode-collapse"]
    assert "空の回答" in empty["message"]


def test_text_is_judged_in_points(tmp_path: Path) -> None:
    asked = handmade.text_items(60)
    said = {
        "base": handmade.text_answers(asked, 0.5, 1),
        "tuned": handmade.text_answers(asked, 0.5, 9),
    }
    found = look(handmade.make(tmp_path, kind="text", asked=asked, said=said))
    assert found["not-better-than-base"]["evidence"]["metric"] == "chrf"
    small = found["small-evaluation"]
    assert small["evidence"]["rows_needed"] > 60
    assert "±" not in small["message"]


def test_a_wide_interval_of_points(tmp_path: Path) -> None:
    asked = handmade.text_items(30)
    said = {
        "base": handmade.text_answers(asked, 0.0, 1),
        "tuned": handmade.text_answers(asked, 0.5, 2),
    }
    found = look(handmade.make(tmp_path, kind="text", asked=asked, said=said))
    low, high = found["small-evaluation"]["evidence"]["ci95"]
    assert f"±{(high - low) / 2:.0f} ポイント" in found["small-evaluation"]["message"]
    assert high - low > 20


def chats(count: int, turns: int) -> list[Item]:
    found = []
    for row in range(count):
        for turn in range(turns):
            gold = handmade.LABELS[(row + turn) % 5]
            context = (Message("user", f"{row} 行目の {turn} 回目"),)
            found.append(Item(f"r{row}#{turn + 1}", f"r{row}", context, gold, (gold,)))
    return found


def repeating(asked: Sequence[Item], turns: int) -> list[Prediction]:
    """Right in the first two turns, and from then on the second answer again."""
    said = []
    for n, item in enumerate(asked):
        turn = n % turns
        label = item.answer if turn < 2 else asked[n - turn + 1].answer
        said.append(Prediction(item.id, (label,), 0.9))
    return said


def test_turn_collapse(tmp_path: Path) -> None:
    asked = chats(10, 4)
    stuck = handmade.make(tmp_path, asked=asked, said={"tuned": repeating(asked, 4)})
    found = look(stuck)["turn-collapse"]
    assert found["severity"] == "warning"
    assert found["evidence"] == {"share": 1.0, "n": 20, "chats": 10}
    right = [Prediction(i.id, i.labels, 0.9) for i in asked]
    assert "turn-collapse" not in look(handmade.make(tmp_path, asked=asked, said={"tuned": right}))


def test_one_answer_to_everything_is_no_turn_collapse(tmp_path: Path) -> None:
    asked = chats(10, 4)
    same = [Prediction(i.id, ("😀",), 0.9) for i in asked]
    found = look(handmade.make(tmp_path, asked=asked, said={"tuned": same}))
    assert "turn-collapse" not in found
    assert "mode-collapse" in found


def test_short_chats_cannot_tell(tmp_path: Path) -> None:
    asked = chats(10, 2)
    path = handmade.make(tmp_path, asked=asked, said={"tuned": repeating(asked, 2)})
    assert "3 回以上" in skipped(path)["turn-collapse"]


def test_turn_collapse_needs_gold_that_changes(tmp_path: Path) -> None:
    asked = [
        Item(f"r{row}#{turn}", f"r{row}", (Message("user", "x"),), gold, (gold,))
        for row in range(10)
        for turn in range(1, 5)
        for gold in (handmade.LABELS[row % 5],)
    ]
    right = [Prediction(i.id, i.labels, 0.9) for i in asked]
    assert "turn-collapse" not in look(handmade.make(tmp_path, asked=asked, said={"tuned": right}))


def test_overfitting_names_the_metric_that_chose(tmp_path: Path) -> None:
    chosen = handmade.config("set", train={"metric": "top1_share"})
    path = handmade.make(
        tmp_path,
        kind="set",
        experiment=chosen,
        losses=(1.2, 0.8, 0.9, 1.1),
        training={"best_epoch": 4},
    )
    assert "最頻予測の割合" in look(path)["overfitting"]["message"]
