"""Runs side by side: what differs, the change in percent, and paired tests where rows agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.config.schema import EvaluateConfig
from kunren.errors import InputError
from kunren.evaluation.score import evaluate
from kunren.records.choose import front, recommend
from kunren.records.compare import Group, compare_runs, differing_settings, percent_change
from kunren.records.entry import DIVERSITY, Entry
from kunren.records.layouts import read_entry
from kunren.records.pairing import differing_rows, pair, same_rows
from kunren.tasks import Answers
from kunren.types import Item, Prediction

JMOJI = Path(__file__).parent / "jmoji"


def run(
    output: Path, name: str, said: Sequence[Prediction], kind: Answers = "set", **changes: Any
) -> Entry:
    asked = handmade.asked_of(kind, len(said))
    config = handmade.config(kind, name=name, **changes)
    made = handmade.make(
        output, kind=kind, asked=asked, said={"tuned": said}, experiment=config, bootstrap=300
    )
    return read_entry(made)


def said(kind: Answers, right: float, seed: int, count: int = 50) -> list[Prediction]:
    return handmade.said_to(kind, handmade.asked_of(kind, count), right, seed)


def one(groups: Sequence[Group]) -> Group:
    (group,) = groups
    return group


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_a_pair_of_runs_is_tested_as_a_run_tests_its_own_systems(
    kind: Answers, tmp_path: Path
) -> None:
    of_a, of_b = said(kind, 0.8, 1), said(kind, 0.3, 2)
    a, b = run(tmp_path, "a", of_a, kind), run(tmp_path, "b", of_b, kind)
    labels = () if kind == "text" else handmade.LABELS
    together = evaluate(
        handmade.asked_of(kind, 50),
        labels,
        {"tuned": of_a, "other": of_b},
        EvaluateConfig(bootstrap=300),
        kind,
    )
    assert same_rows(a, b) == "same"
    for wanted in together["paired"]:
        found = pair(a, b, [wanted["metric"]])[wanted["metric"]]
        assert found.difference == pytest.approx(wanted["difference"])
        assert found.ci95 == pytest.approx(wanted["ci95"])
        assert found.p == pytest.approx(wanted["p"])
        assert found.verdict == wanted["verdict"] == "better"


def test_levels_of_a_hierarchy_are_tested_too(tmp_path: Path) -> None:
    asked = handmade.items(40, handmade.TOPICS)
    entries = []
    for name, right in (("a", 0.9), ("b", 0.2)):
        config = handmade.config(name=name, task={"labels": {"hierarchy": "/"}})
        answers = handmade.answers(asked, right, 3, handmade.TOPICS)
        made = handmade.make(
            tmp_path,
            asked=asked,
            said={"tuned": answers},
            labels=handmade.TOPICS,
            experiment=config,
            path_levels=handmade.levels,
        )
        entries.append(read_entry(made))
    found = pair(entries[0], entries[1], ["accuracy_level1", "accuracy"])
    assert found["accuracy_level1"].verdict == "better"
    assert found["accuracy"].difference == pytest.approx(0.7)


def test_other_rows_other_gold_and_samples_are_not_the_same_rows(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", said("set", 0.5, 1)), run(tmp_path, "b", said("set", 0.5, 2))
    shorter = run(tmp_path, "c", said("set", 0.5, 3, count=30))
    assert same_rows(a, shorter) == "partly"
    assert same_rows(a, replace(b, whole=False)) == "unknown"
    other_gold = [replace(row, gold_labels=("😂", "😡", "🙏")) for row in b.items]
    assert same_rows(a, replace(b, items=other_gold)) == "different"
    renamed = [replace(row, id=f"x{row.id}") for row in b.items]
    assert same_rows(a, replace(b, items=renamed)) == "different"


def test_the_order_of_gold_labels_and_the_prompt_template_do_not_matter(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", said("set", 0.5, 1)), run(tmp_path, "b", said("set", 0.5, 2))
    turned = [replace(row, gold_labels=row.gold_labels[::-1]) for row in b.items]
    assert same_rows(a, replace(b, items=turned)) == "same"
    prompted = [replace(row, text=f"投稿: {row.text}") for row in b.items]
    assert same_rows(a, replace(b, items=prompted)) == "different"
    assert same_rows(a, replace(b, items=prompted, template="投稿: {text}")) == "same"


def test_changes_have_verdicts_only_on_the_same_rows(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", said("set", 0.2, 1)), run(tmp_path, "b", said("set", 0.8, 2))
    c = run(tmp_path, "c", said("set", 0.8, 2, count=30))
    group = one(compare_runs([a, b, c]))
    better, other = group.change(b.name, "jaccard"), group.change(c.name, "jaccard")
    assert better is not None
    assert other is not None
    assert better.paired is not None
    assert better.paired.verdict == "better"
    assert better.percent == pytest.approx(
        100 * (b.value("jaccard") or 0) / (a.value("jaccard") or 1) - 100
    )
    assert other.paired is None
    assert other.percent is not None
    assert any("一部しか重ならない実験: c_20251224" in said for said in group.warnings)


def test_the_worse_run_is_called_worse_also_where_low_is_good(tmp_path: Path) -> None:
    a, b = (
        run(tmp_path, "a", said("label", 0.9, 1), "label"),
        run(tmp_path, "b", said("label", 0.1, 2), "label"),
    )
    group = one(compare_runs([a, b], metrics=["accuracy", "out_of_set_rate"]))
    found = [group.change(b.name, name) for name in group.metrics]
    assert [c.paired.verdict for c in found if c and c.paired] == ["worse", "worse"]


def test_a_change_from_zero_has_no_percentage() -> None:
    assert percent_change(0.0, 0.3) is None
    assert percent_change(None, 0.3) is None
    assert percent_change(0.1649, 0.1821) == pytest.approx(10.43, abs=0.01)  # seed 000: +10%
    assert percent_change(-2.0, -1.0) == pytest.approx(50)


def test_settings_that_differ_and_only_those(tmp_path: Path) -> None:
    a = run(tmp_path, "a", said("set", 0.5, 1), train={"loss": {"focal_gamma": 0.0}})
    b = run(tmp_path, "b", said("set", 0.5, 2), train={"loss": {"focal_gamma": 2.0}})
    assert differing_settings([a, b]) == {"train.loss.focal_gamma": [0.0, 2.0]}
    assert differing_settings([a, a]) == {}


def test_runs_of_two_kinds_are_compared_apart(tmp_path: Path) -> None:
    entries = [
        run(tmp_path, "s1", said("set", 0.5, 1)),
        run(tmp_path, "l1", said("label", 0.5, 1), "label"),
        run(tmp_path, "s2", said("set", 0.6, 2)),
    ]
    groups = compare_runs(entries)
    assert [(g.answers, len(g.entries)) for g in groups] == [("set", 2), ("label", 1)]


def test_what_makes_old_runs_incomparable_is_said() -> None:
    entries = [read_entry(p) for p in sorted(JMOJI.glob("v*"))]
    group = one(compare_runs(entries))
    assert [c.paired for c in group.changes] == [None] * len(group.changes)
    change = group.change("v4_focal_top100_20251224", "jaccard")
    assert change is not None
    assert change.percent == pytest.approx(98.5, abs=0.1)
    rows, loss = group.warnings
    assert "テストの件数も違う" in rows
    assert "検証損失" in loss
    fewer = replace(entries[1], label_count=50)
    assert any("ラベルの種類" in w for w in one(compare_runs([entries[0], fewer])).warnings)


def test_a_metric_computed_in_another_way_is_said(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", said("set", 0.5, 1)), run(tmp_path, "b", said("set", 0.5, 2))
    assert not one(compare_runs([a, b])).warnings
    changed = {**b.scores["jaccard"], "signature": "jaccard|v2|labels:5"}
    other = replace(b, scores={**b.scores, "jaccard": changed})
    assert any("計算のしかた" in w for w in one(compare_runs([a, other])).warnings)


def test_diversity_of_the_old_program_is_not_compared_with_ours(tmp_path: Path) -> None:
    frequent = handmade.LABELS[:5]
    made = handmade.make(tmp_path, kind="set", most_frequent=frequent)
    old = [read_entry(path) for path in sorted(JMOJI.glob("v*"))]
    assert not one(compare_runs(old)).unlike
    group = one(compare_runs([read_entry(made), *old]))
    assert list(group.unlike) == [DIVERSITY]
    assert any("repeated:each-time" in w and "repeated:once-an-answer" in w for w in group.warnings)
    change = group.change(old[0].name, DIVERSITY)
    assert change is not None
    assert change.before is not None
    assert change.after is not None
    assert change.percent is None
    jaccard = group.change(old[0].name, "jaccard")
    assert jaccard is not None
    assert jaccard.percent is not None
    assert front(group) == []
    chosen = {choice.purpose: choice for choice in recommend(group)}
    assert chosen["accuracy"].run is not None
    for purpose in ("diversity", "balance"):
        assert chosen[purpose].run is None
        assert "計算のしかた" in chosen[purpose].reasons[0]


def test_baseline_and_metrics_can_be_chosen(tmp_path: Path) -> None:
    a, b = run(tmp_path, "a", said("set", 0.5, 1)), run(tmp_path, "b", said("set", 0.5, 2))
    group = one(compare_runs([a, b], b.name, ["avg_jaccard", "recall"]))
    assert group.baseline is b
    assert group.metrics == ["jaccard", "recall"]  # the old program's name is understood
    with pytest.raises(InputError) as raised:
        compare_runs([a, b], "b_20251225", ["accuracy"])
    assert [p.code for p in raised.value.problems] == [
        "compare.unknown-run-near",
        "compare.unknown-metric",
    ]


def test_differing_rows_come_most_different_first(tmp_path: Path) -> None:
    asked = handmade.set_items(6)
    right = [Prediction(i.id, i.labels) for i in asked]
    none = Prediction(asked[2].id, ())
    half = Prediction(asked[5].id, asked[5].labels[:1])
    other = [*right[:2], none, *right[3:5], half]
    a, b = run(tmp_path, "a", right), run(tmp_path, "b", other)
    found, common = differing_rows(a, b)
    assert common == 6
    assert [each.id for each in found] == [asked[2].id, asked[5].id]
    assert found[0].difference == pytest.approx(1.0)
    assert found[0].gold.gold_labels == asked[2].labels
    back, _ = differing_rows(b, a)
    assert [each.difference for each in back] == [-each.difference for each in found]


def test_samples_are_matched_by_text_and_gold() -> None:
    v3, v4 = (read_entry(p) for p in sorted(JMOJI.glob("v*")))
    assert differing_rows(v3, v4) == ([], 0)
    assert differing_rows(v3, v3) == ([], 20)
    moved = [replace(row, id=f"x{row.id}") for row in v3.items]
    assert differing_rows(v3, replace(v3, items=moved)) == ([], 20)


def test_labels_that_only_one_run_knows_count_as_labels(tmp_path: Path) -> None:
    """A run without the label 😂 could not say it; one that has it is not punished for it."""
    asked = [Item("1", "1", handmade.items(1)[0].context, "😂", ("😂",))] * 1
    config = [handmade.config("set", name=name) for name in "ab"]
    a, b = (
        read_entry(
            handmade.make(
                tmp_path,
                kind="set",
                asked=asked,
                labels=labels,
                said={"tuned": [Prediction("1", answer)]},
                experiment=each,
                train=handmade.set_items(5, labels[:1], "train-"),
            )
        )
        for each, labels, answer in zip(
            config, (("😀", "😂"), ("😀",)), (("😂",), ("😀",)), strict=True
        )
    )
    assert pair(b, a, ["jaccard"])["jaccard"].difference == -1.0
