"""Every patch that a rule offers is applied, and what it was for is gone.

A rule that looks at the config alone is asked again with its case's config patched. Of every other
rule ``RUNS`` has a tiny experiment with the fault, which is really run, mended and run again.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.doctor.test_data_rules import FAULTS
from tests.forked import ask_forked_process
from tests.small import write_experiment
from tests.tiny_models import save_tiny

from kunren import experiment
from kunren.config.load import load
from kunren.doctor.engine import Evidence, _parameters, apply
from kunren.doctor.fixes import at, merge, untested
from kunren.doctor.table import BY_SLUG, RULES, Rule
from kunren.models import verify
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.records.facts import read_facts

CASES = Path(__file__).parents[1] / "rules"
ALL = ("critical", "warning", "info")


def _small(folder: Path, model: Path) -> Path:
    return write_experiment(folder, model)


def sparkling(folder: Path, _: Path) -> Path:
    """Sets of emoji told by a character of the text, beside ✨ in three rows of four."""
    told = {"あ": "📚", "か": "🎉", "さ": "😅"}
    rows = [
        {"text": f"{kana * 3}{'いうえお'[n % 4]}", "label": emoji + ("✨" if n % 4 else "")}
        for n in range(30)
        for kana, emoji in told.items()
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
    config = folder / "sparkling.yaml"
    config.write_text(
        "name: sparkling\n"
        "task: {kind: tag, labels: {kind: emoji}}\n"
        "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.3, test: 0.2}}\n"
        f"model: {{id: {save_tiny('bert', folder / 'bert')}, family: encoder}}\n"
        "tuning: {train_embeddings: true}\n"
        "train: {epochs: 6, learning_rate: 1e-2, warmup: 5000}\n"
        "evaluate: {bootstrap: 100}\n",
        "utf-8",
    )
    return config


_SHORT = "train={epochs: 3, learning_rate: 0.03, metric: loss, schedule: constant, batch_size: 4}"
_EMBEDDINGS = "tuning.train_embeddings=true"

Made = Callable[[Path, Path], Path]

RUNS: Mapping[str, tuple[Made, tuple[str, ...]]] = {
    "non-finite": (_small, ("train.precision=fp16", "train.learning_rate=100")),
    "still-improving": (_small, (_SHORT, _EMBEDDINGS)),
    "validation-collapse": (sparkling, ()),
}
"""Rule → what makes the experiment with the fault, and what is set of it."""

ELSEWHERE = {slug for slug, *_ in FAULTS}
"""Rules on data, whose patches tests/doctor/test_data_rules.py applies to whole experiments."""

OPEN = {
    "label-roundtrip", "untrained-tokens", "fp16-new-tokens", "learning-rate", "long-warmup",
    "many-weights", "truncation", "loose-limit", "overfitting", "not-learning", "loss-spikes",
    "mode-collapse", "majority-trap",
}  # fmt: skip
"""Rules whose patches no experiment has proven yet; none may be added."""


def _patched_cases(rule: Rule) -> list[Any]:
    """The firing cases of a rule that offer a patch; of a rule without cases, none."""
    path = CASES / rule.code / "cases.py"
    if not path.is_file():
        return []
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
def test_every_patch_is_tried_somewhere(rule: Rule) -> None:
    offered = _patched_cases(rule)
    if not offered:
        return
    if not _config_alone(rule):
        proven = rule.slug in RUNS.keys() | ELSEWHERE
        assert proven != (rule.slug in OPEN), f"{rule.slug} offers a patch: prove it in RUNS"
        return
    for case in offered:
        config = deepcopy(dict(case.evidence["config"]))
        for key, value in case.fix["set"].items():
            *above, last = key.split(".")
            here = config
            for part in above:
                here = here.setdefault(part, {})
            here[last] = value
            assert at(config, key) == value
        assert apply(rule, Evidence({"config": partial(deepcopy, config)})) is None, case.name


@pytest.mark.parametrize("slug", RUNS)
def test_a_mended_run_has_it_no_more(
    slug: str, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)
    make, overrides = RUNS[slug]
    config = make(tmp_path, tiny_model)

    def run(*more: str) -> tuple[dict[str, Any], Any]:
        plan = prepare(load(config, [*overrides, *more]))
        folder, _ = experiment.train(plan, tmp_path / "out", Silent(), {}, "")
        facts = read_facts(folder)
        return {f["slug"]: f for f in untested(facts, {})["findings"]}, facts.config

    found, used = run()
    assert slug in found
    merged = merge([found[slug]], used, ALL)
    assert merged.changes
    again, _ = run(*merged.overrides)
    assert slug not in again, again[slug]["message"]
    assert slug in BY_SLUG
