"""The recommendation by purpose: that of seed 000 from its own numbers, and its doubts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.records.test_compare import run, said

from kunren.records import lessons
from kunren.records.choose import Choice, front, recommend
from kunren.records.compare import Group, compare_runs
from kunren.records.entry import SPEED, Entry, Rival, measured
from kunren.records.foreign import read_flat
from kunren.records.lessons import findings
from kunren.records.predictions import Answer, Predicted

SEED_000 = {
    "v3_top100": (0.058, 0.20, {"task.labels.top": 100, "data.train": "v3"}),
    "v4_lr1e-4": (0.066, 0.19, {"train.learning_rate": 1e-4, "data.train": "v4"}),
    "v4_top100": (0.120, 0.21, {"task.labels.top": 100, "data.train": "v4"}),
    "v4_focal_top100": (
        0.115,
        0.25,
        {"task.labels.top": 100, "data.train": "v4", "train.loss.focal_gamma": 2.0},
    ),
    "v4_top50": (0.165, 0.21, {"task.labels.top": 50, "data.train": "v4"}),
    "v4_focal_top50": (
        0.182,
        0.14,
        {"task.labels.top": 50, "data.train": "v4", "train.loss.focal_gamma": 2.0},
    ),
}


def entry(name: str, scores: dict[str, float], **fields: Any) -> Entry:
    known = {metric: measured(value) for metric, value in scores.items()}
    return Entry(name, "jmoji", "set", scores=known, primary="jaccard", **fields)


def group(*entries: Entry) -> Group:
    return compare_runs(list(entries))[0]


def seed_000() -> Group:
    return group(
        *(
            entry(name, {"jaccard": x, "diversity": y}, settings=settings)
            for name, (x, y, settings) in SEED_000.items()
        )
    )


def by_purpose(it: Group) -> dict[str, Choice]:
    return {choice.purpose: choice for choice in recommend(it)}


def test_seed_000_is_told_what_its_author_concluded() -> None:
    """Seed 000, 主要な知見 3: 精度重視, 多様性重視, バランス型."""
    found = by_purpose(seed_000())
    assert found["accuracy"].run == "v4_focal_top50"
    assert found["diversity"].run == "v4_focal_top100"
    assert found["balance"].run == "v4_top50"
    assert found["balance"].values == "Jaccard 係数 16.5 %、多様性 (頻出 5 種以外) 21.0 %"
    assert found["speed"].run is None
    assert "測られていない" in found["speed"].reasons[0]


def test_the_front_is_what_no_run_beats() -> None:
    assert front(seed_000()) == ["v4_focal_top100", "v4_top50", "v4_focal_top50"]
    twins = group(*(entry(n, {"jaccard": 0.2, "diversity": 0.3}) for n in "ab"))
    assert front(twins) == ["a", "b"]  # equals do not beat each other
    alone = group(entry("a", {"jaccard": 0.2, "diversity": 0.3}), entry("b", {"jaccard": 0.1}))
    assert front(alone) == []


def test_seed_000_learns_that_the_effect_of_focal_loss_depends() -> None:
    """Seed 000, 主要な知見 2: more accurate with 50 emoji, less with 100."""
    told = "\n".join(findings(seed_000()))
    assert "task.labels.top だけを 50 から 100 にすると、Jaccard 係数は 16.5 % → 12.0 %" in told
    assert "精度と多様性のトレードオフ" in told
    pairs = group(
        *(e for e in seed_000().entries if e.name.startswith("v4_") and "lr" not in e.name)
    )
    told = "\n".join(findings(pairs))
    assert "train.loss.focal_gamma を 指定なし から 2 にした効果は一定しない" in told


def test_settings_cannot_be_told_apart_only_where_several_differ() -> None:
    several = {"x": 1, "y": 1}, {"x": 2, "y": 2}
    same = {"x": 1}, {"x": 1}
    for settings, wanted in ((several, True), (same, False)):
        entries = [
            entry(name, {"jaccard": value}, settings=found)
            for name, value, found in zip("ab", (0.1, 0.2), settings, strict=True)
        ]
        assert any("複数の設定が同時に" in said for said in findings(group(*entries))) == wanted


def test_of_many_runs_each_value_is_set_beside_the_next_one() -> None:
    """Three hundred runs with ten values of one setting: steps in order, not all pairs."""
    entries = [
        entry(f"r{n}", {"jaccard": n / 300}, settings={"train.epochs": n % 10, "x": n % 30 // 10})
        for n in range(300)
    ]
    steps = lessons._steps(entries)
    assert len(steps) == lessons.MOST_STEPS
    for step in steps:
        unlike = {k for k in ("train.epochs", "x") if step.a.settings[k] != step.b.settings[k]}
        assert unlike == {step.key}
        if step.key == "train.epochs":
            assert step.after - step.before == 1
    few = [entry(f"r{n}", {"jaccard": 0.1}, settings={"x": n}) for n in range(4)]
    assert [(s.before, s.after) for s in lessons._steps(few)] == [
        (a, b) for a in range(4) for b in range(a + 1, 4)
    ]


def test_a_purpose_whose_number_is_missing_says_so() -> None:
    found = by_purpose(group(entry("a", {"jaccard": 0.1}), entry("b", {"jaccard": 0.2})))
    assert found["accuracy"].run == "b"
    for purpose in ("diversity", "balance"):
        assert found[purpose].run is None
        assert found[purpose].reasons == ["多様性 (頻出 5 種以外) がどの実験でも測られていない。"]
    some = group(entry("a", {"jaccard": 0.1, "diversity": 0.3}), entry("b", {"jaccard": 0.2}))
    assert "(b)" in by_purpose(some)["diversity"].reasons[0]


def test_balance_needs_something_on_both_sides() -> None:
    zero = group(*(entry(n, {"jaccard": 0.2, "diversity": 0.0}) for n in "ab"))
    assert by_purpose(zero)["balance"].run is None


def test_a_difference_that_may_be_chance_is_said(tmp_path: Path) -> None:
    close = [run(tmp_path, name, said("set", 0.5, seed)) for name, seed in (("a", 1), ("b", 9))]
    cautions = "\n".join(by_purpose(group(*close))["accuracy"].cautions)
    assert "確かめられず" in cautions
    assert "テストは 50 件だけ" in cautions
    far = [run(tmp_path, name, said("set", right, 1)) for name, right in (("c", 0.1), ("d", 0.9))]
    assert "確かめられず" not in "\n".join(by_purpose(group(*far))["accuracy"].cautions)


def test_without_predictions_intervals_decide_what_is_said() -> None:
    def interval(low: float, high: float) -> dict[str, Any]:
        return measured((low + high) / 2) | {"ci95": [low, high]}

    a, b = entry("a", {"jaccard": 0.2}), entry("b", {"jaccard": 0.3})
    assert "信頼区間がない" in by_purpose(group(a, b))["accuracy"].cautions[0]
    near, far = (
        [
            Entry(n, "jmoji", "set", scores={"jaccard": score}, primary="jaccard")
            for n, score in zip("ab", scores, strict=True)
        ]
        for scores in (
            (interval(0.1, 0.3), interval(0.2, 0.4)),
            (interval(0.1, 0.2), interval(0.3, 0.4)),
        )
    )
    assert "重なっていて" in by_purpose(group(*near))["accuracy"].cautions[0]
    assert not by_purpose(group(*far))["accuracy"].cautions


def test_the_best_of_many_runs_on_the_same_rows_is_doubted(tmp_path: Path) -> None:
    entries = [run(tmp_path, f"r{n}", said("label", 0.1 * n, n), "label") for n in range(1, 6)]
    assert "5 つの実験を比べて選んだ" in by_purpose(group(*entries))["accuracy"].cautions[-1]
    fewer = by_purpose(group(*entries[:4]))["accuracy"].cautions
    assert not any("比べて選んだ" in caution for caution in fewer)


def test_a_run_that_is_not_above_trivial_methods_is_doubted() -> None:
    a = entry("a", {"jaccard": 0.1})
    rival = Rival("constant", 0.17, "worse")  # seed 001: ✨ to everything scored 0.17
    b = entry("b", {"jaccard": 0.16}, rival=rival)
    assert any("17.0 %" in said for said in by_purpose(group(a, b))["accuracy"].cautions)
    good = entry("b", {"jaccard": 0.4}, rival=Rival("constant", 0.17, "better"))
    assert not any("17.0 %" in said for said in by_purpose(group(a, good))["accuracy"].cautions)


def test_speed_is_not_compared_between_machines() -> None:
    slow = entry("slow", {"jaccard": 0.3, SPEED: 10.0}, machine="x")
    fast = entry("fast", {"jaccard": 0.2, SPEED: 30.0}, machine="x")
    choice = by_purpose(group(slow, fast))["speed"]
    assert choice.run == "fast"
    assert len(choice.cautions) == 1  # slow is better
    assert "30.0 %" in choice.cautions[0]
    elsewhere = entry("fast", {"jaccard": 0.2, SPEED: 30.0}, machine="y")
    assert "機械" in by_purpose(group(slow, elsewhere))["speed"].cautions[0]


@pytest.mark.parametrize("kind", ["label", "text"])
def test_other_kinds_are_recommended_too(kind: Any, tmp_path: Path) -> None:
    entries = [run(tmp_path, n, said(kind, r, 1), kind) for n, r in (("a", 0.2), ("b", 0.7))]
    found = by_purpose(group(*entries))
    assert found["accuracy"].run == "b_20251224"
    assert found["diversity"].run == ("b_20251224" if kind == "label" else None)


def test_one_setting_says_what_it_did_with_the_verdict_of_the_table(tmp_path: Path) -> None:
    a = run(tmp_path, "a", said("label", 0.2, 1), "label", train={"epochs": 2})
    b = run(tmp_path, "b", said("label", 0.8, 1), "label", train={"epochs": 4})
    told = findings(group(b, a))  # the baseline is the run after the change
    line = next(s for s in told if "train.epochs だけを 2 から 4" in s)
    assert "判定: 改善" in line
    assert "20.0 % → 80.0 %" in line


# ---- runs that have learnt nothing


def answered(pred: str, gold: str = "😀", count: int = 12) -> list[Predicted]:
    labels = tuple(pred) if pred and not pred.isascii() else ()
    said = Answer(labels=labels, generated=pred, correct=False, score=0.0)
    return [
        Predicted(f"r{n}", f"r{n}", f"文 {n}", gold, (gold,), {"tuned": said}) for n in range(count)
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"jaccard": 0.0}, "主な指標が 0"),
        ({"items": answered("abc def")}, "12 件の回答に、ラベルが 1 つも"),
        ({"items": answered("")}, "12 件の回答が空"),
        ({"items": answered("✨", "😀")}, "いつも同じ 1 つのラベル"),
        ({"rival": Rival("constant", 0.3, "worse")}, "単純な手法で最良のもの (30.0 %) より悪い"),
    ],
)
def test_what_has_learnt_nothing_is_recommended_for_nothing(
    fields: dict[str, Any], why: str
) -> None:
    right = fields.pop("jaccard", 0.08)
    wild = entry("wild", {"jaccard": right, "diversity": 0.95, SPEED: 900.0}, **fields)
    it = group(
        entry("good", {"jaccard": 0.2, "diversity": 0.2, SPEED: 10.0}),
        entry("fair", {"jaccard": 0.15, "diversity": 0.25, SPEED: 20.0}),
        wild,
    )
    found = by_purpose(it)
    assert "wild" not in {choice.run for choice in found.values()}
    assert found["diversity"].run == "fair"
    assert "wild" not in front(it)
    (told,) = [line for line in found["accuracy"].cautions if line.startswith("wild")]
    assert why in told


@pytest.mark.parametrize(
    ("name", "top"),
    [
        ("v3_lr1e-4_top100", 100),
        ("v4_focal_top50_20251224", 50),
        ("run-TOP-30", 30),
        ("stopped_early", None),
        ("laptop9", None),
    ],
)
def test_how_many_labels_were_kept_is_read_from_the_name(
    tmp_path: Path, name: str, top: int | None
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.yaml").write_text("num_epochs: 3\ntrain_samples: 10\n", "utf-8")
    (folder / "eval_metrics.json").write_text('{"avg_jaccard": 0.1}', "utf-8")
    assert read_flat(folder).settings.get("task.labels.top") == top
    (folder / "config.yaml").write_text("num_epochs: 3\ntop_n: 7\n", "utf-8")
    assert read_flat(folder).settings["task.labels.top"] == 7
