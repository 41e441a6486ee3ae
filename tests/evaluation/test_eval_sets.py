from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score
from sklearn.preprocessing import MultiLabelBinarizer

from kunren.config.checks import METRICS
from kunren.config.schema import EvaluateConfig
from kunren.evaluation.score import KINDS, evaluate, validation_metrics
from kunren.types import Item, Message, Prediction

LABELS = ["✨", "📷", "🔧", "😭", "🌙"]


def item(number: int, gold: str) -> Item:
    labels = tuple(gold)
    return Item(str(number), str(number), (Message("user", "x"),), gold, labels)


def said_to(number: int, said: str, *invalid: str) -> Prediction:
    return Prediction(str(number), tuple(said), generated=said + "".join(invalid), invalid=invalid)


def evaluated(gold: list[str], said: list[Prediction]) -> dict[str, Any]:
    items = [item(n, g) for n, g in enumerate(gold)]
    return evaluate(items, LABELS, {"tuned": said}, EvaluateConfig(bootstrap=100), "set")


def scored(gold: list[str], said: list[str]) -> dict[str, Any]:
    found = evaluated(gold, [said_to(n, s) for n, s in enumerate(said)])
    scores: dict[str, Any] = found["systems"]["tuned"]
    return {name: score["value"] for name, score in scores.items()}


def test_one_set_by_hand() -> None:
    found = scored(["✨📷🔧"], ["✨📷😭🌙"])
    assert found["jaccard"] == pytest.approx(2 / 5)
    assert found["precision"] == pytest.approx(2 / 4)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(4 / 7)
    assert found["exact_match"] == 0.0
    assert found["length_error"] == 1.0


def test_both_empty_is_right_and_one_empty_is_wrong() -> None:
    rows = ("jaccard", "precision", "recall", "f1", "exact_match")
    assert {scored([""], [""])[name] for name in rows} == {1.0}
    assert {scored(["✨"], [""])[name] for name in rows} == {0.0}
    assert {scored([""], ["✨"])[name] for name in rows} == {0.0}


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)

    def drawn() -> str:
        return "".join(chance.sample(LABELS[:4], chance.randint(1, 3)))

    gold, said = [drawn() for _ in range(30)], [drawn() for _ in range(30)]
    found = scored(gold, said)
    one_hot = MultiLabelBinarizer(classes=LABELS)
    a, b = one_hot.fit_transform(gold), one_hot.transform(said)
    present = [n for n in range(len(LABELS)) if a[:, n].any()]
    assert found["jaccard"] == pytest.approx(jaccard_score(a, b, average="samples"))
    assert found["f1"] == pytest.approx(f1_score(a, b, average="samples"))
    assert found["micro_f1"] == pytest.approx(f1_score(a, b, average="micro"))
    assert found["macro_f1"] == pytest.approx(
        f1_score(a, b, labels=present, average="macro", zero_division=0)
    )
    assert found["exact_match"] == pytest.approx((a == b).all(axis=1).mean())


def test_a_collapsed_model_shows() -> None:
    gold = ["✨📷", "✨", "🔧😭", "🌙✨"]
    found = scored(gold, ["✨"] * 4)
    assert found["jaccard"] == pytest.approx((1 / 2 + 1 + 0 + 1 / 2) / 4)
    assert found["top1_share"] == 1.0
    assert found["unique_labels"] == 1
    assert found["coverage"] == pytest.approx(1 / 5)
    assert found["entropy"] == 0.0


def test_even_use_of_all_labels_has_entropy_one() -> None:
    found = scored(list(LABELS), list(LABELS))
    assert (found["entropy"], found["coverage"]) == (pytest.approx(1.0), 1.0)
    assert found["top1_share"] == pytest.approx(1 / 5)
    uneven = scored(["✨"] * 4, ["✨", "✨", "✨", "📷"])
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(5)
    assert uneven["entropy"] == pytest.approx(expected)


def test_garbage_does_not_look_diverse() -> None:
    wild = [said_to(0, "✨", "うれしい", "🦄"), Prediction("1", ("✨", "🦄"), generated="✨🦄")]
    found = evaluated(["✨", "✨"], wild)
    scores = found["systems"]["tuned"]
    assert scores["unique_labels"]["value"] == 1
    assert scores["top1_share"]["value"] == 1.0
    assert scores["jaccard"]["value"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores["outside_rate"]["value"] == 1.0
    assert scores["invalid_rate"]["value"] == pytest.approx(2 / 5)
    assert "🦄" not in found["per_label"]["tuned"]
    assert found["frequencies"] == {"gold": {"✨": 2}, "tuned": {"✨": 2}}


@pytest.mark.parametrize(
    ("gold", "labels", "invalid", "jaccard", "precision"),
    [
        ("✨📷", ("✨", "📷"), ("🍣", "🚀"), 0.5, 0.5),
        ("✨📷", ("✨", "📷", "🍣", "🚀"), (), 0.5, 0.5),  # as predictions made elsewhere have them
        ("✨📷", ("✨", "📷"), ("🍣", "🍣", " 🍣 "), 2 / 3, 2 / 3),
        ("✨", (), ("よくわかりません",), 0.0, 0.0),
        ("", (), ("よくわかりません",), 0.0, 0.0),
        ("", (), ("、、",), 0.0, 0.0),
        ("", (), (), 1.0, 1.0),
        ("✨📷", ("✨", "📷"), ("🍣", "。", "!"), 2 / 3, 2 / 3),
        ("✨", ("✨",), (), 1.0, 1.0),
    ],
)
def test_what_is_no_label_is_a_wrong_answer(
    gold: str, labels: tuple[str, ...], invalid: tuple[str, ...], jaccard: float, precision: float
) -> None:
    others = ["✨📷", "📷"]
    right = [Prediction("1", ("✨", "📷")), Prediction("2", ("📷",))]
    said = [Prediction("0", labels, generated="…", invalid=invalid), *right]
    scores = evaluated([gold, *others], said)["systems"]["tuned"]
    assert scores["jaccard"]["value"] == pytest.approx((jaccard + 2) / 3)
    assert scores["precision"]["value"] == pytest.approx((precision + 2) / 3)
    assert scores["exact_match"]["value"] == pytest.approx(((jaccard == 1.0) + 2) / 3)
    wrong = bool(invalid) or "🍣" in labels
    assert scores["outside_rate"]["value"] == pytest.approx(wrong / 3)
    assert scores["jaccard"]["signature"].startswith("jaccard|v2|")
    assert "outside-the-set:counted" in scores["jaccard"]["signature"]


def test_punctuation_beside_labels_is_no_label() -> None:
    scores = evaluated(["✨"], [said_to(0, "✨", "。")])["systems"]["tuned"]
    assert (scores["exact_match"]["value"], scores["outside_rate"]["value"]) == (1.0, 0.0)


def test_the_same_label_counts_once() -> None:
    found = scored(["✨"], ["✨✨✨"])
    assert (found["jaccard"], found["length_error"], found["top1_share"]) == (1.0, 0.0, 1.0)


def test_variation_selectors_do_not_matter() -> None:
    asked = Item("0", "0", (Message("user", "x"),), "❤️", ("❤️",))
    found = evaluate([asked], ["❤️"], {"tuned": [Prediction("0", ("❤",))]}, EvaluateConfig(), "set")
    assert found["systems"]["tuned"]["jaccard"]["value"] == 1.0


def test_gold_outside_the_closed_set_is_missed_by_everyone() -> None:
    found = scored(["✨🦄"], ["✨🦄"])
    assert found["jaccard"] == 0.5
    assert found["coverage"] == pytest.approx(1 / 5)


def test_what_cannot_be_counted_is_none_with_a_reason() -> None:
    heads = [Prediction("0", ("✨",), 0.9, (0.9, 0.1, 0.1, 0.1, 0.1)), Prediction("1", None)]
    scores = evaluated(["✨", "📷"], heads)["systems"]["tuned"]
    assert scores["invalid_rate"]["value"] is None
    assert "生成" in scores["invalid_rate"]["reason"]
    assert (scores["jaccard"]["n_scored"], scores["jaccard"]["n_unscored"]) == (1, 1)
    nothing = evaluated(["✨", "📷"], [said_to(0, ""), said_to(1, "")])["systems"]["tuned"]
    for name in ("top1_share", "entropy", "invalid_rate"):
        assert nothing[name]["value"] is None
        assert nothing[name]["ci95"] is None
        assert nothing[name]["reason"]
    assert nothing["unique_labels"]["value"] == 0  # counted, and really none


def test_no_interval_for_what_resampling_always_underrates() -> None:
    scores = evaluated(list(LABELS), [said_to(n, x) for n, x in enumerate(LABELS)])
    for name in ("unique_labels", "coverage", "entropy"):
        score = scores["systems"]["tuned"][name]
        assert score["value"] is not None
        assert (score["ci95"], bool(score["reason"])) == (None, True)


def test_all_wrong_has_an_interval_that_is_not_zero_wide() -> None:
    found = evaluated(["✨"] * 10, [said_to(n, "📷") for n in range(10)])
    low, high = found["systems"]["tuned"]["jaccard"]["ci95"]
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_systems_are_compared_by_sets() -> None:
    items = [item(n, "✨📷") for n in range(20)]
    said = {
        "base": [said_to(n, "🔧") for n in range(20)],
        "tuned": [said_to(n, "✨📷") for n in range(20)],
        "tuned_beam": [said_to(n, "✨") for n in range(20)],
    }
    found = evaluate(items, LABELS, said, EvaluateConfig(bootstrap=300), "set")
    compared = {(p["b"], p["metric"]): p for p in found["paired"]}
    assert set(compared) == {
        (b, m) for b in ("base", "tuned_beam") for m in ("jaccard", "micro_f1", "macro_f1")
    }
    assert compared["tuned_beam", "jaccard"]["difference"] == pytest.approx(0.5)
    assert compared["base", "jaccard"]["verdict"] == "better"
    assert compared["base", "jaccard"]["test"] == "paired-randomisation"


def test_per_label_counts_rows_that_hold_the_label() -> None:
    found = evaluated(
        ["✨📷", "✨", "📷"], [said_to(0, "✨"), said_to(1, "✨📷"), said_to(2, "✨")]
    )
    assert found["per_label"]["tuned"]["✨"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": pytest.approx(4 / 5),
        "support": 2,
        "predicted": 3,
    }
    assert "confusion" not in found
    assert list(found["frequencies"]["tuned"].items()) == [("✨", 3), ("📷", 1)]


def test_validation_metrics_show_a_collapse_during_training() -> None:
    items = [item(n, g) for n, g in enumerate(["✨📷", "🔧"])]
    found = validation_metrics("set", items, [said_to(0, "✨"), said_to(1, "✨")], LABELS)
    assert list(found) == ["jaccard", "micro_f1", "macro_f1", "exact_match", "top1_share"]
    assert found["jaccard"] == pytest.approx(0.25)
    assert found["top1_share"] == 1.0
    empty = validation_metrics("set", items, [said_to(0, ""), said_to(1, "")], LABELS)
    assert "top1_share" not in empty  # nothing to share


def test_measures_after_each_epoch_what_the_config_lets_choose() -> None:
    kinds = {"classify": "label", "tag": "set", "answer": "text"}
    for task, answers in kinds.items():
        allowed = set(METRICS[task]) - {"loss"}
        assert set(KINDS[answers].validation) == allowed  # type: ignore[index]


def test_thousands_of_labels_take_no_time() -> None:
    labels = [f"絵{n}" for n in range(5000)]
    chance = random.Random(0)
    items = []
    for n in range(1000):
        gold = tuple(chance.sample(labels, 3))
        items.append(Item(str(n), str(n), (Message("user", "x"),), "".join(gold), gold))
    said = {
        system: [Prediction(i.id, (i.labels[0], labels[k])) for i in items]
        for k, system in enumerate(("tuned", "base"))
    }
    found = evaluate(items, labels, said, EvaluateConfig(bootstrap=100), "set")
    assert found["systems"]["tuned"]["jaccard"]["value"] == pytest.approx(1 / 4, abs=0.01)


def diverse(said: list[Prediction], frequent: tuple[str, ...]) -> dict[str, Any]:
    items = [item(n, "✨") for n in range(len(said))]
    config = EvaluateConfig(bootstrap=100)
    found = evaluate(items, LABELS, {"tuned": said}, config, "set", most_frequent=frequent)
    assert found["most_frequent"] == list(frequent)
    score: dict[str, Any] = found["systems"]["tuned"]["diversity"]
    return score


def test_diversity_is_the_share_outside_the_five_most_frequent_labels() -> None:
    # The counts of the older record v3_top100: 442 labels among the five, 109 outside.
    said = [said_to(n, "✨") for n in range(442)] + [said_to(n + 442, "🌙") for n in range(109)]
    score = diverse(said, ("✨", "📷", "🎉", "😊", "🥰"))  # three that a filter took out
    assert score["value"] == pytest.approx(0.19782214156079855)
    assert score["ci95"][0] < 0.1978 < score["ci95"][1]
    assert score["signature"] == (
        "diversity|v1|labels:5|outside:5-most-frequent-unfiltered|repeated:once-an-answer"
        "|labels:valid-only"
    )


def test_neither_garbage_nor_repetition_is_diverse() -> None:
    wild = [
        said_to(0, "✨", "うれしい", "🦄"),
        Prediction("1", ("✨", "🦄", "🐉"), generated="✨🦄🐉"),
        Prediction("2", ("✨", "🌙", "🌙", "🌙")),
    ]
    assert diverse(wild[:2], ("✨",))["value"] == 0.0
    assert diverse(wild, ("✨",))["value"] == pytest.approx(1 / 4)


def test_variation_selectors_of_frequent_labels_do_not_matter() -> None:
    items = [item(0, "✨")]
    said = [Prediction("0", ("❤",))]
    found = evaluate(
        items, ["✨", "❤️"], {"tuned": said}, EvaluateConfig(), "set", most_frequent=["❤️"]
    )
    assert found["systems"]["tuned"]["diversity"]["value"] == 0.0


def test_without_the_frequent_labels_there_is_no_diversity() -> None:
    score = diverse([said_to(0, "✨")], ())
    assert (score["value"], score["n_scored"]) == (None, 0)
    assert "頻出ラベル" in score["reason"]
    nothing = diverse([said_to(0, "")], ("✨",))
    assert nothing["value"] is None
    assert nothing["reason"]
