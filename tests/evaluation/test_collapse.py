from __future__ import annotations

from collections.abc import Sequence

from tests.records import handmade

from kunren.evaluation.collapse import leaning
from kunren.types import Item, Prediction


def say(items: Sequence[Item], answers: Sequence[Sequence[str]]) -> list[Prediction]:
    return [Prediction(i.id, tuple(said)) for i, said in zip(items, answers, strict=True)]


def test_one_answer_to_everything() -> None:
    items = handmade.items(40)
    found = leaning(items, say(items, [["😀"]] * 40))
    assert found is not None
    assert (found.label, found.share, found.gold_share, found.collapsed) == ("😀", 1.0, 0.2, True)
    assert (found.distinct, found.gold_distinct) == (1, 5)


def test_few_rows_prove_nothing_and_gold_may_lean_itself() -> None:
    few = handmade.items(4)
    assert not leaning(few, say(few, [["😀"]] * 4)).collapsed  # type: ignore[union-attr]
    same = handmade.items(40, ("😀",))
    assert not leaning(same, say(same, [["😀"]] * 40)).collapsed  # type: ignore[union-attr]
    items = handmade.items(40)
    right = leaning(items, say(items, [item.labels for item in items]))
    assert right is not None
    assert (right.share, right.collapsed) == (0.2, False)


def test_a_label_in_nearly_every_set() -> None:
    items = handmade.set_items(60)
    found = leaning(items, say(items, [["🙏", *(["😡"] if n % 5 == 0 else [])] for n in range(60)]))
    assert found is not None
    assert found.collapsed
    assert found.label == "🙏"


def test_empty_answers_are_a_collapse_too_and_texts_are_none() -> None:
    items = handmade.set_items(60)
    found = leaning(items, say(items, [()] * 60))
    assert found is not None
    assert (found.label, found.share, found.collapsed) == ("", 1.0, True)
    assert leaning(items, [Prediction(i.id, None, generated="はい") for i in items]) is None
