"""Every rule's own cases: where it fires, where it stays quiet, where evidence is missing.

``tests/rules/<CODE>/cases.py`` has three functions, ``fires``, ``quiet`` and ``lacks``, each giving
a list of ``Case``; a folder without one of them, or an empty list, fails here.
"""

from __future__ import annotations

import importlib.util
import json
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from tests.rules.case import Case

from kunren.doctor import pages
from kunren.doctor.engine import Evidence, apply
from kunren.doctor.evidence import Missing
from kunren.doctor.table import RULES, Rule
from kunren.messages import use_language

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "rules"


@cache
def cases(rule: Rule, kind: str) -> list[Case]:
    path = HERE / rule.code / "cases.py"
    assert path.is_file(), f"{rule.code} ({rule.slug}) has no cases"
    spec = importlib.util.spec_from_file_location(f"cases_{rule.code}", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[Case] = getattr(module, kind)()
    assert found, f"{rule.code} ({rule.slug}) has no case of {kind}"
    return found


def evidence(case: Case) -> Evidence:
    return Evidence({name: partial(copy, value) for name, value in case.evidence.items()})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_fires(rule: Rule) -> None:
    for case in cases(rule, "fires"):
        use_language("en")
        assert apply(rule, evidence(case)) is not None, case.name
        use_language("ja")
        finding = apply(rule, evidence(case))
        assert finding is not None, case.name
        assert finding.severity == case.severity, case.name
        assert finding.evidence, case.name
        json.dumps(dict(finding.evidence), allow_nan=False)
        for part in case.says:
            assert part in finding.message, (case.name, part)
        assert (None if finding.fix is None else dict(finding.fix)) == case.fix, case.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_stays_quiet(rule: Rule) -> None:
    for case in cases(rule, "quiet"):
        assert apply(rule, evidence(case)) is None, case.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_is_skipped_where_evidence_is_missing(rule: Rule) -> None:
    for case in cases(rule, "lacks"):
        with pytest.raises(Missing) as missing:
            apply(rule, evidence(case))
        assert missing.value.reason.strip(), case.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_its_page_is_up_to_date(rule: Rule) -> None:
    written = (DOCS / f"{rule.slug}.md").read_text("utf-8")
    assert written == pages.markdown(rule), "python -m kunren.doctor.pages docs/rules"


def test_the_index_is_up_to_date_and_no_page_is_left_over() -> None:
    assert (DOCS / "README.md").read_text("utf-8") == pages.index()
    assert {p.stem for p in DOCS.glob("*.md")} == {rule.slug for rule in RULES} | {"README"}


def test_no_folder_of_cases_is_left_over() -> None:
    folders = {p.parent.name for p in HERE.glob("*/cases.py")}
    assert folders == {rule.code for rule in RULES}
