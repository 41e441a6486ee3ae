"""Patches of findings, brought together and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.cli.fix import fix
from kunren.config.load import load
from kunren.doctor import fixes
from kunren.doctor.fixes import MEASURING, PROTECTED, Merged, checked, fix_file, fix_run, merge
from kunren.errors import InputError
from kunren.tasks import make_task

CONFIG: dict[str, Any] = {
    "name": "a",
    "task": {"kind": "tag", "labels": {"ban": ["😀"]}},
    "train": {"epochs": 10, "learning_rate": 1e-3, "precision": "fp16", "seed": 42},
}


def finding(slug: str, severity: str = "warning", **fix: Any) -> dict[str, Any]:
    patch = {"set": {key.replace("__", "."): value for key, value in fix.items()}}
    return {"slug": slug, "severity": severity, "message": f"{slug}の話", "fix": patch}


def values(merged: Merged) -> dict[str, Any]:
    return merged.values


@pytest.mark.parametrize(("first", "second"), [(1e-2, 1e-4), (1e-4, 1e-2)])
def test_of_a_higher_and_a_lower_rate_the_first_holds(first: float, second: float) -> None:
    merged = merge(
        [
            finding("not-learning", train__learning_rate=first),
            finding("spikes", train__learning_rate=second, train__epochs=20),
        ],
        CONFIG,
    )
    assert merged.values == {"train.learning_rate": first, "train.epochs": 20}
    assert merged.changes[0].slugs == ("not-learning",)
    assert [(one.slug, one.key) for one in merged.refused] == [("spikes", "train.learning_rate")]


def test_of_two_learning_rates_the_lower_holds_and_both_findings_are_mended() -> None:
    merged = merge(
        [
            finding("non-finite", "critical", train__learning_rate=1e-4, train__precision="bf16"),
            finding("spikes", train__learning_rate=3e-5, train__precision="fp32"),
        ],
        CONFIG,
    )
    rate, precision = merged.changes
    assert (rate.old, rate.new, rate.slugs) == (1e-3, 3e-5, ("non-finite", "spikes"))
    assert rate.why == ("non-finiteの話", "spikesの話")
    assert (precision.old, precision.new) == ("fp16", "fp32")
    assert merged.overrides == ["train.learning_rate=3.0e-05", "train.precision=fp32"]


def test_where_no_rule_settles_it_the_graver_finding_does() -> None:
    merged = merge(
        [
            finding("overfitting", "critical", train__epochs=3),
            finding("still-improving", train__epochs=20),
            finding("other", train__epochs=3),
        ],
        CONFIG,
    )
    assert values(merged) == {"train.epochs": 3}
    assert merged.changes[0].slugs == ("overfitting", "other")
    (refused,) = merged.refused
    assert (refused.slug, refused.new) == ("still-improving", 20)
    assert "overfitting" in refused.reason


def test_what_the_user_banned_stays_banned() -> None:
    patches = [finding("a", task__labels__ban=["✨"]), finding("b", task__labels__ban=["📚", "✨"])]
    assert values(merge(patches, CONFIG)) == {"task.labels.ban": ["😀", "✨", "📚"]}


@pytest.mark.parametrize(
    "key",
    ["data.test", "data.split.seed", "data.train", "evaluate.seed", "evaluate.seeds", "train.seed",
     "name", "model.id", "model.trust_remote_code", "doctor.ignore"],
)  # fmt: skip
def test_what_would_choose_among_test_rows_is_never_changed(key: str) -> None:
    change = {"slug": "x", "severity": "critical", "message": "m", "fix": {"set": {key: 1}}}
    merged = merge([change], CONFIG)
    assert not merged.changes
    assert [refused.key for refused in merged.refused] == [key]
    assert merged.refused[0].reason


def test_an_attempt_may_not_be_measured_in_another_way() -> None:
    change = finding("small-evaluation", evaluate__cv=5)
    assert values(merge([change], CONFIG)) == {"evaluate.cv": 5}
    assert not merge([change], CONFIG, protected={**PROTECTED, **MEASURING}).changes


def test_what_is_merely_worth_knowing_is_left() -> None:
    change = finding("overfitting", "info", train__epochs=3)
    assert not merge([change], CONFIG).changes
    assert values(merge([change], CONFIG, ("info",))) == {"train.epochs": 3}
    assert not merge([finding("same", train__epochs=10)], CONFIG).changes


def test_a_change_that_the_schema_refuses_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "name: a\ntask: {kind: tag, labels: {allow: [a, b]}}\n"
        "data: {train: x.jsonl}\nmodel: {id: m}\n",
        "utf-8",
    )
    merged = merge([finding("f", task__labels__ban=["a"], train__epochs=2, train__nothing=1)], {})
    good = checked(path, merged)
    assert values(good) == {"train.epochs": 2}
    assert {refused.key for refused in good.refused} == {"task.labels.ban", "train.nothing"}
    with pytest.raises(InputError):
        checked(path, merged, ["train.epochs=x"])


YAML = """\
name: tiny
data: {train: rows.jsonl}   # 手で集めた
model: {id: m}
train:
  epochs: 10   # 多めに
"""


def test_a_copy_is_written_beside_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(YAML, "utf-8")
    patches = [finding("overfitting", train__epochs=4), finding("x", train__precision="fp32")]
    first, second = fix_file(path, patches), fix_file(path, patches)
    assert path.read_text("utf-8") == YAML
    assert first.path == tmp_path / "tiny.fixed.yaml"
    assert second.path == tmp_path / "tiny.fixed_2.yaml"
    assert first.path.read_text("utf-8") == (
        YAML.replace("epochs: 10 ", "epochs: 4 ") + "  precision: fp32\n"
    )
    assert "-  epochs: 10   # 多めに\n+  epochs: 4   # 多めに\n" in first.diff
    assert first.diff.startswith("--- tiny.yaml\n+++ tiny.fixed.yaml\n")
    assert load(first.path).config.train.epochs == 4
    nothing = fix_file(path, [])
    assert (nothing.path, nothing.diff) == (None, "")


def overfitted(tmp_path: Path, **changes: Any) -> Path:
    """A run that overfits, and nobody knows whether its best checkpoint was kept."""
    early = {"patience": 3, "min_delta": 0.0}
    train = {"epochs": 6, "metric": "loss", "early_stopping": early}
    return handmade.make(
        tmp_path,
        losses=[1.0, 0.8, 0.9, 1.1, 1.3, 1.6],
        training={"best_epoch": None},
        experiment=handmade.config(train=train, **changes),
    )


def test_a_run_folder_gets_a_mended_config_that_can_be_run(tmp_path: Path) -> None:
    folder = overfitted(tmp_path)
    before = {p.name for p in folder.iterdir()}
    fixed = fix_run(folder)
    assert {p.name for p in folder.iterdir()} - before == {"config.fixed.yaml"}
    assert fixed.path == folder / "config.fixed.yaml"
    config = load(fixed.path).config
    assert config.train.epochs == 2
    # What kunren had chosen for six epochs it chooses anew for two.
    assert config.train.early_stopping is not None
    assert config.train.early_stopping.patience is None
    first = fixed.merged.changes[0]
    assert (first.key, first.old, first.new) == ("train.epochs", 6, 2)
    assert first.slugs == ("overfitting",)
    assert fixed.seen == ()


def test_a_prompt_that_names_the_labels_is_made_anew_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = handmade.config().task
    named = task.model_copy(update={"system": make_task(task).default_system(handmade.LABELS)})
    folder = overfitted(tmp_path, task=named.model_dump())
    change = finding("dominant-label", task__labels__ban=["😀"]) | {"code": "D000"}
    monkeypatch.setattr(fixes, "diagnose", lambda _: {"findings": [change]})
    fixed = fix_run(folder)
    assert fixed.path is not None
    made = load(fixed.path).config.task
    assert (made.labels.ban, made.system) == (("😀",), None)
    assert fixed.seen == ("dominant-label",)


def test_the_command_shows_the_change_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = overfitted(tmp_path)
    fix(folder, "text")
    said = capsys.readouterr().out
    for part in ("train.epochs", "overfitting: 検証損失は", "+++ config.fixed.yaml", "kunren run"):
        assert part in said
    fix(folder, "json")
    made = json.loads(capsys.readouterr().out)
    assert made["fixed"].endswith("config.fixed_2.yaml")
    assert made["changes"][0]["slugs"] == ["overfitting"]


def test_a_healthy_run_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = handmade.make(tmp_path)
    fix(folder, "text")
    assert "ありませんでした" in capsys.readouterr().out
    assert not list(folder.glob("*.fixed*"))
