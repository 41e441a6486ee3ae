"""What several rules say of the same evidence is read once, and stays in the JSON."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.courses import FINISHED, NAN, course, level
from tests.rules.output import metrics, pair

from kunren.doctor.engine import Evidence, examine
from kunren.doctor.remarks import YIELDS, by_reason, lines, remarks
from kunren.doctor.table import BY_SLUG, OUTPUT, TRAINING
from kunren.messages import use_language


def found(**evidence: Any) -> list[dict[str, Any]]:
    use_language("ja")
    known = {name: (lambda value=value: value) for name, value in evidence.items()}
    findings: list[dict[str, Any]] = examine(Evidence(known), {}, [*TRAINING, *OUTPUT])["findings"]
    return findings


def test_a_rising_loss_with_better_answers_is_read_once() -> None:
    rising = course((), (0.30, 0.25, 0.40), metrics={"accuracy": (0.88, 0.90, 0.93)})
    findings = found(course=rising, state=FINISHED)
    assert {f["slug"] for f in findings} == {"loss-metric-disagreement", "overfitting"}
    (remark,) = remarks(findings)
    assert remark.slugs == ("loss-metric-disagreement", "overfitting")
    assert "答えは悪くなっていません" in remark.message


def test_a_loss_that_rises_and_answers_that_become_worse_stay_apart() -> None:
    worse = {"accuracy": (0.93, 0.85, 0.60, 0.60)}
    findings = found(course=course((), (1.0, 0.3, 0.4, 0.5), metrics=worse), state=FINISHED)
    slugs = {f["slug"] for f in findings}
    assert {"loss-metric-disagreement", "overfitting"} <= slugs
    assert not any("overfitting" in remark.slugs[1:] for remark in remarks(findings))


def test_a_difference_that_is_not_confirmed_is_read_once() -> None:
    unsure = pair("base", 0.05, "indistinguishable", rows_needed=640)
    scores = {"base": {"accuracy": 0.5}, "tuned": {"accuracy": 0.55}}
    findings = found(metrics=metrics(scores, paired=[unsure]), settings={})
    before = {"code": "D010", "slug": "small-test", "severity": "warning", "message": "…",
              "evidence": {}, "fix": {"set": {"evaluate.cv": 5}}}  # fmt: skip
    (remark,) = remarks([before, *findings])
    assert remark.slugs == ("not-better-than-base", "small-test", "small-evaluation")
    assert "640 件" in remark.message
    assert remark.fix is None


def test_a_confirmed_loss_and_a_wide_interval_are_two_things() -> None:
    scores = {"base": {"accuracy": 0.9}, "tuned": {"accuracy": 0.5}}
    worse = metrics(scores, 12, [pair("base", -0.4, "worse")], 0.2)
    assert [r.slugs for r in remarks(found(metrics=worse, settings={}))] == [
        ("not-better-than-base",), ("small-evaluation",),
    ]  # fmt: skip


def test_the_gravest_counts_and_comes_first() -> None:
    nan = course(level(0.0), (NAN, NAN, NAN))
    made = remarks(found(course=nan, state=FINISHED))
    assert made[0].slugs == ("zero-loss", "non-finite")
    assert made[0].severity == "critical"
    grades = [remark.severity for remark in made]
    assert grades == sorted(grades, key=["critical", "warning", "info"].index)


def test_lines_leave_out_what_is_only_worth_knowing() -> None:
    use_language("ja")
    one: dict[str, Any] = {
        "slug": "few-rows",
        "severity": "info",
        "message": "…",
        "evidence": {},
        "fix": None,
    }
    two = one | {"slug": "learning-rate", "severity": "warning", "message": "高すぎます。"}
    assert lines([one, two]) == ["注意 learning-rate: 高すぎます。"]


def test_reasons_are_given_once() -> None:
    skipped = [{"slug": slug, "reason": why} for slug, why in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert by_reason(skipped) == {"x": ["a", "c"], "y": ["b"]}


@pytest.mark.parametrize(("slug", "other"), [(slug, other) for slug, other, _ in YIELDS])
def test_the_table_names_rules_and_has_no_circle(slug: str, other: str) -> None:
    assert {slug, other} <= set(BY_SLUG)
    reached, ahead = set(), [other]
    while ahead:
        at = ahead.pop()
        reached.add(at)
        ahead += [further for one, further, _ in YIELDS if one == at and further not in reached]
    assert slug not in reached


def test_what_an_unread_column_explains_is_said_with_it() -> None:
    def one(slug: str, severity: str, **evidence: Any) -> dict[str, Any]:
        return {"code": slug, "slug": slug, "severity": severity, "message": slug,
                "evidence": evidence, "fix": None}  # fmt: skip

    column = one("unread-columns", "warning", differ=40, alike=60)
    conflict = one("conflicting-labels", "warning", items=44)
    copies = one("duplicate-rows", "warning", extra=30)
    (remark,) = remarks([copies, conflict, column])
    assert remark.slugs == ("unread-columns", "duplicate-rows", "conflicting-labels")
    more = one("conflicting-labels", "warning", items=90)
    assert [r.slugs for r in remarks([more, column])] == [
        ("conflicting-labels",), ("unread-columns",)]  # fmt: skip


def test_a_perfect_score_on_rows_of_one_label_is_explained() -> None:
    perfect: dict[str, Any] = {"code": "T008", "slug": "too-perfect",
               "severity": "warning", "message": "1.0",
               "evidence": {}, "fix": None}  # fmt: skip
    absent = perfect | {"slug": "untested-labels", "evidence": {"only": {"validation": "通常"}}}
    assert [r.slugs for r in remarks([perfect, absent])] == [("untested-labels", "too-perfect")]
    spread = absent | {"evidence": {"only": {}}}
    assert len(remarks([perfect, spread])) == 2
