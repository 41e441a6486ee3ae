"""Every patch that a rule offers is applied in a test, and what it was for is gone.

A rule that looks at the config alone is asked again here, with its case's config patched. For all
others there is an experiment with the fault: read by ``kunren check`` (test_fixes_checked.py, and
test_data_rules.py for data), trained (test_fixes_trained.py), or scored (test_fixes_scored.py).
"""

from __future__ import annotations

import importlib.util
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.doctor import test_fixes_checked, test_fixes_scored, test_fixes_trained
from tests.doctor.mending import kinds
from tests.doctor.test_data_rules import FAULTS as DATA_FAULTS
from tests.doctor.test_data_rules import FOLDS_FAULT

from kunren.doctor.engine import Evidence, _parameters, apply
from kunren.doctor.fixes import MEASURING, PROTECTED, at
from kunren.doctor.table import BY_SLUG, RULES, Rule

CASES = Path(__file__).parents[1] / "rules"

PROVEN = kinds(
    (*test_fixes_checked.FAULTS, *test_fixes_trained.FAULTS, *test_fixes_scored.FAULTS)
) | {(slug, frozenset([key])) for slug, key, *_ in (*DATA_FAULTS, FOLDS_FAULT)}
"""Rule and keys of each patch with an experiment that it mends."""

_MEASURES = {"small-test", "untested-labels", "control-tokens"}
"""Rules that may change how is measured: they say that it is measured too coarsely, or that gold
answers hold marks of a chat template."""


def _patches(rule: Rule) -> list[Any]:
    """The firing cases of a rule that offer a patch."""
    path = CASES / rule.code / "cases.py"
    spec = importlib.util.spec_from_file_location(f"mend_{rule.code}", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [case for case in module.fires() if case.fix]


def _config_alone(rule: Rule) -> bool:
    parameters = _parameters(rule.load())
    needed = {name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY}
    return needed == {"config"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_every_patch_is_proven(rule: Rule) -> None:
    """Of each kind: another set of keys is another patch, and needs an experiment of its own."""
    for case in _patches(rule):
        if _config_alone(rule):
            _test_config_alone(rule, case)
            continue
        kind = (rule.slug, frozenset(case.fix["set"]))
        assert kind in PROVEN, f"{case.name}: no experiment proves this patch of {rule.slug}"


def _test_config_alone(rule: Rule, case: Any) -> None:
    config = deepcopy(dict(case.evidence["config"]))
    for key, value in case.fix["set"].items():
        *above, last = key.split(".")
        here = config
        for part in above:
            here = here.setdefault(part, {})
        here[last] = value
        assert at(config, key) == value
    assert apply(rule, Evidence({"config": partial(deepcopy, config)})) is None, case.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
def test_no_patch_cheats(rule: Rule) -> None:
    """None changes rows, rules or seeds, and none how is measured, but to measure more."""
    for case in _patches(rule):
        for key in case.fix["set"]:
            tops = {key.rsplit(".", n)[0] for n in range(key.count(".") + 1)}
            assert not tops & PROTECTED.keys(), (case.name, key)
            assert not tops & MEASURING.keys() or rule.slug in _MEASURES, (case.name, key)


def test_what_is_proven_is_offered() -> None:
    """An experiment of a patch that no case has would be one that its rule does not show."""
    offered = {(rule.slug, frozenset(case.fix["set"])) for rule in RULES for case in _patches(rule)}
    assert offered >= PROVEN
    assert {slug for slug, _ in PROVEN} <= BY_SLUG.keys()
