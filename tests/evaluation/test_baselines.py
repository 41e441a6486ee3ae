from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest

from kunren.config import checks
from kunren.evaluation.baselines import BASELINES, SAMPLE, best_constant_set, run_baselines
from kunren.evaluation.copying import COPIES
from kunren.evaluation.text import char_f1
from kunren.tasks import Answers
from kunren.types import Item, Message, Prediction

LABELS = ("スポーツ", "経済", "文化")


def sets_item(number: int, text: str, labels: tuple[str, ...]) -> Item:
    return Item(str(number), str(number), (Message("user", text),), "、".join(labels), labels)


def item(name: str, said: str, gold: str, labels: tuple[str, ...] | None = None) -> Item:
    context = (Message("system", "分類して"), Message("user", said))
    return Item(name, name, context, gold, (gold,) if labels is None else labels)


TRAIN = [
    item("1", "大谷が本塁打", "スポーツ"),
    item("2", "決勝で本塁打を放つ", "スポーツ"),
    item("3", "日銀が利上げ", "経済"),
    item("4", "円安で株価が下落", "経済"),
    item("5", "円安進む", "経済"),
]
TEST = [item("a", "満塁本塁打で勝利", "スポーツ"), item("b", "円安と利上げ", "経済")]


def run(name: str, train: list[Item] = TRAIN, test: list[Item] = TEST) -> list[Prediction]:
    return run_baselines((name,), "label", train, [], test, LABELS)[name]


def test_majority_answers_the_commonest_training_label() -> None:
    said = run("majority")
    assert [p.label for p in said] == ["経済", "経済"]
    assert said[0].probability == pytest.approx(0.6)
    assert said[0].probabilities == pytest.approx((0.4, 0.6, 0.0))


def test_majority_of_equals_is_the_first_of_the_set() -> None:
    assert {p.label for p in run("majority", TRAIN[:2] + TRAIN[3:])} == {"スポーツ"}


def test_tfidf_learns_from_characters() -> None:
    said = run("tfidf_logreg")
    assert [p.label for p in said] == ["スポーツ", "経済"]
    for p in said:
        assert len(p.probabilities) == len(LABELS)
        assert sum(p.probabilities) == pytest.approx(1)
        assert p.probability == max(p.probabilities)
        assert p.probabilities[2] == 0.0  # never in training
        assert p.generated is None


def test_nearest_gives_the_label_of_the_most_similar_text() -> None:
    said = run("nearest")
    assert [p.labels for p in said] == [("スポーツ",), ("経済",)]
    odd = [item("x", "決勝で本塁打を放った", "文化")]
    assert run("nearest", TRAIN, odd)[0].labels == ("スポーツ",)


TAGS = ("✨", "📷", "🔧", "😭")
SETS = [
    item("1", "カメラを修理", "📷🔧", ("📷", "🔧")),
    item("2", "カメラの修理代で泣く", "📷🔧😭", ("📷", "🔧", "😭")),
    item("3", "旅行で写真", "✨📷", ("✨", "📷")),
    item("4", "夜景の写真がきれい", "✨📷", ("✨", "📷")),
    item("5", "泣いた夜", "😭", ("😭",)),
    item("6", "映画で泣いた", "😭✨", ("😭", "✨")),
]
ASKED = [
    item("a", "カメラを修理した", "📷", ("📷",)),
    item("b", "また泣いた", "😭", ("😭",)),
]

QUESTIONS = [
    item("1", "設立はいつですか", "1926年です。", ()),
    item("2", "定休日はいつですか", "日曜日です。", ()),
    item("3", "所在地はどこですか", "東京都です。", ()),
]
QUESTIONED = [item("a", "会社の設立はいつ", "知りません", ())]

POINTS: dict[Answers, tuple[list[Item], list[Item], tuple[str, ...]]] = {
    "label": (TRAIN, TEST, LABELS),
    "set": (SETS, ASKED, TAGS),
    "text": (QUESTIONS, QUESTIONED, ()),
}


@pytest.mark.parametrize("answers", POINTS)
def test_does_not_look_at_the_test_answers(answers: Answers) -> None:
    train, test, labels = POINTS[answers]
    other = [item(i.id, i.text, "別", ("別",)) for i in test]
    first = run_baselines("all", answers, train, train[:2], test, labels)
    assert run_baselines("all", answers, train, train[:2], other, labels) == first
    assert list(first) == [name for name in BASELINES[answers] if name not in COPIES]


@pytest.mark.parametrize("answers", POINTS)
def test_no_test_rows(answers: Answers) -> None:
    train, _, labels = POINTS[answers]
    found = run_baselines("all", answers, train, [], [], labels)
    assert found == {name: [] for name in BASELINES[answers] if name not in COPIES}


def test_one_training_label() -> None:
    found = run_baselines("all", "label", TRAIN[:2], [], TEST, LABELS)
    assert {p.label for system in found.values() for p in system} == {"スポーツ"}
    always = [item("1", "あ", "✨", ("✨",)), item("2", "い", "✨", ("✨",))]
    found = run_baselines("all", "set", always, [], ASKED, TAGS)
    assert {p.labels for system in found.values() for p in system} == {("✨",)}


def test_the_config_knows_the_same_baselines() -> None:
    kinds: dict[str, Answers] = {"classify": "label", "tag": "set", "answer": "text"}
    for task, answers in kinds.items():
        prompted = {"few_shot"} | ({"retrieval"} if task == "answer" else set())
        assert set(checks.BASELINES[task]) == set(BASELINES[answers]) | prompted
        assert prompted <= set(checks.PROMPTED)


def sets(chosen: str, validation: list[Item]) -> list[Prediction]:
    return run_baselines((chosen,), "set", SETS, validation, ASKED, TAGS)[chosen]


def test_majority_of_sets_is_the_commonest_label_alone() -> None:
    assert {p.labels for p in sets("majority", [])} == {("📷",)}


def jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


def mean_jaccard(said: tuple[str, ...], gold: list[tuple[str, ...]]) -> float:
    return sum(jaccard(set(said), set(g)) for g in gold) / len(gold)


@pytest.mark.parametrize("seed", range(20))
def test_the_constant_set_is_the_best_of_all(seed: int) -> None:
    chance = random.Random(seed)
    labels = tuple("abcdefg")
    weights = [chance.random() ** 2 + 0.02 for _ in labels]
    gold = [
        tuple(dict.fromkeys(chance.choices(labels, weights, k=chance.randint(1, 4))))
        for _ in range(25)
    ]
    every = [c for size in range(1, 8) for c in combinations(labels, size)]
    best = max(mean_jaccard(c, gold) for c in every)
    assert mean_jaccard(best_constant_set(gold, labels), gold) == pytest.approx(best)


def test_the_constant_set_may_be_larger_than_any_training_set() -> None:
    pairs = [("a", "b"), ("b", "c"), ("a", "c")]
    assert best_constant_set(pairs, ("a", "b", "c", "d")) == ("a", "b", "c")


def test_the_constant_set_of_equals_is_the_smallest_and_first() -> None:
    assert best_constant_set([("b",), ("a",)], ("a", "b")) == ("a",)
    assert best_constant_set([], ("a", "b")) == ("a",)


def test_the_best_constant_set_may_be_empty_where_sets_are() -> None:
    labels = ("a", "b")
    assert best_constant_set([(), (), ("a",), ("b",), ("a",), ("a",)], labels) == ("a",)
    assert best_constant_set([(), (), ("a",), ("b",), ()], labels) == ()
    assert best_constant_set([()], labels) == ()
    assert best_constant_set([("a", "b"), ()], labels) in ((), ("a", "b"))


def test_baselines_answer_with_an_empty_set_where_that_is_most_often_right() -> None:
    train = [sets_item(n, f"天気がいい{n}", ("a",) if n < 2 else ()) for n in range(8)]
    held = [sets_item(n, f"天気がいい{n}", ()) for n in range(8, 12)]
    said = run_baselines("all", "set", train, held, held, ("a",))
    for name in ("majority", "constant", "tfidf_logreg"):
        assert {p.labels for p in said[name]} == {()}, name
    assert all(p.probability is None for p in said["majority"])
    full = [sets_item(n, f"天気がいい{n}", ("a",)) for n in range(8)]
    said = run_baselines("all", "set", full, held, held, ("a", "b"))
    assert all(p.labels == ("a",) for found in said.values() for p in found)


def test_tfidf_of_sets_cuts_where_the_validation_rows_say() -> None:
    said = sets("tfidf_logreg", SETS)
    assert set(said[0].labels or ()) == {"📷", "🔧"}
    assert said[1].label == "😭"
    for p in said:
        assert len(p.probabilities) == len(TAGS)
        assert p.probability == max(p.probabilities)
    narrow = [item("v", "カメラを修理", "📷", ("📷",))]
    assert len(sets("tfidf_logreg", narrow)[0].labels or ()) == 1


def test_rare_labels_get_their_share_instead_of_a_classifier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kunren.evaluation.baselines.FITTED", 3)
    said = sets("tfidf_logreg", [])
    assert said[0].probabilities[2] == pytest.approx(2 / 6)  # 🔧, the rarest
    assert said[0].probabilities[1] != pytest.approx(3 / 6)


def test_nearest_set() -> None:
    assert sets("nearest", [])[0].labels == ("📷", "🔧")


def texts(chosen: str, train: list[Item]) -> list[Any]:
    found = run_baselines((chosen,), "text", train, [], QUESTIONED, ())[chosen]
    assert all(p.labels is None for p in found)
    return [p.generated for p in found]


def test_nearest_text_is_the_answer_to_the_most_similar_question() -> None:
    assert texts("nearest", QUESTIONS) == ["1926年です。"]


def test_constant_text_is_the_answer_most_like_the_others() -> None:
    said = ["はい、できます。", "はい、承ります。", "はい、承っております。", "東京"]
    train = [item(str(n), "x", answer, ()) for n, answer in enumerate(said)]
    (found,) = texts("constant", train)
    assert found == max(said, key=lambda a: sum(char_f1(a, b) for b in said if b != a))


def test_constant_text_of_many_is_drawn_always_the_same() -> None:
    train = [item(str(n), "x", f"答えは{n}です", ()) for n in range(SAMPLE + 50)]
    assert texts("constant", train) == texts("constant", train)
