"""Patches of what the answers show, from the command line: run, ``doctor --fix``, run again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.doctor.mending import Fault, encoder, told, write
from tests.forked import ask_forked_process
from tests.tiny_models import save_tiny

from kunren import experiment
from kunren.cli import main
from kunren.config.load import load
from kunren.doctor.engine import diagnose
from kunren.models import verify
from kunren.progress import Silent

FAULTS = (
    Fault("mode-collapse", ("task.labels.ban",), "drowned"),
    Fault("validation-collapse", ("task.labels.ban",), "drowned"),
    Fault("majority-trap", ("train.loss.class_weights",), "rare"),
)

_EMOJI = "📚🎉😅🎵🍰🌸🐶🌊🍎🚗🎈🌙🔥🐱"


@dataclass
class Ran:
    """A finished run and what is found in it."""

    folder: Path
    found: dict[str, dict[str, Any]]
    quiet: set[str]
    scores: dict[str, float]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("wide", tmp_path_factory.mktemp("models") / "wide")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


def _alone(config: Path, *slugs: str) -> Path:
    """The same without what other rules would mend in it: their patches have their own proofs."""
    ignored = "".join(f", {slug}: proven elsewhere" for slug in slugs)
    said = config.read_text("utf-8")
    begin = "{ignore: {small-test: a cross-validation would take five times as long"
    assert begin in said
    config.write_text(said.replace(begin, begin + ignored), "utf-8")
    return config


def _drowned(folder: Path, model: Path) -> Path:
    """The first character tells of each emoji a little; ✨ is in nine of ten rows whatever it is.

    A fifth of the rows with one character have its emoji, the others any of 14. A set of ✨ alone
    is then the best answer there is: beside it the likeliest other emoji would be wrong too often.
    """
    rows = []
    for at, row in enumerate(told("甲乙丙丁戊己", 80, rest=4)):
        kind, n = divmod(at, 80)
        emoji = _EMOJI[kind if n < 12 else (kind + n) % len(_EMOJI)]
        rows.append({"text": row["text"], "label": emoji + ("✨" if n % 10 else "")})
    settings: dict[str, Any] = {"batch_size": 16, "epochs": 5, "learning_rate": 1e-3, "seed": 1}
    return _alone(write(folder, rows, encoder(model, "tag", **settings)), "not-learning")


def _rare(folder: Path, model: Path) -> Path:
    """One row in six has the other label; so few are given up where the training is short."""
    rows = told("良", 120) + [{**row, "label": "悪"} for row in told("x悪", 24)[24:]]
    random.Random(0).shuffle(rows)
    settings: dict[str, Any] = {"batch_size": 8, "epochs": 6, "learning_rate": 2e-4, "seed": 1}
    return _alone(write(folder, rows, encoder(model, **settings)), "validation-trivial")


MAKE: dict[str, Callable[[Path, Path], Path]] = {"drowned": _drowned, "rare": _rare}


def _ran(config: Path, output: Path) -> Ran:
    done = experiment.run(config, (), output, Silent())
    said = diagnose(done.folder)
    scores = done.metrics["systems"]["tuned"]
    return Ran(
        done.folder,
        {finding["slug"]: finding for finding in said["findings"]},
        {rule["slug"] for rule in said["quiet"]},
        {name: scores[name]["value"] for name in ("macro_f1",)},
    )


def _doctor(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("base", MAKE)
def test_a_config_mended_on_the_command_line_has_it_no_more(
    base: str, tmp_path: Path, wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [fault for fault in FAULTS if fault.base == base]
    slugs, keys = {fault.slug for fault in faults}, {key for f in faults for key in f.keys}
    before = _ran(MAKE[base](tmp_path / "rows", wide), tmp_path / "out")
    for fault in faults:
        assert set(before.found[fault.slug]["fix"]["set"]) == set(fault.keys)
    old = (before.folder / "config.yaml").read_text("utf-8")
    files = {path.name for path in before.folder.iterdir()}

    capsys.readouterr()
    assert _doctor(str(before.folder), "--fix") == 0
    said = capsys.readouterr().out
    fixed = before.folder / "config.fixed.yaml"
    assert {path.name for path in before.folder.iterdir()} - files == {fixed.name}
    assert (before.folder / "config.yaml").read_text("utf-8") == old
    for slug in slugs:
        assert f"- {slug}: {before.found[slug]['message'][:12]}" in said
    assert "--- config.yaml" in said
    assert "+++ config.fixed.yaml" in said
    assert "kunren run " in said
    assert "同じテストデータでもう一度評価すると、値は高めに出ます" in said.replace("\n", "")

    assert _doctor(str(before.folder), "--fix", "--format", "json") == 0
    told_ = json.loads(capsys.readouterr().out)
    changed = {change["key"]: change for change in told_["changes"] if change["slugs"]}
    assert set(changed) == keys
    assert all(slugs <= set(change["slugs"]) for change in changed.values())
    # What could be seen on the validation rows already does not rest on the test rows.
    assert set(told_["seen_on_test_rows"]) == slugs - {"validation-collapse"}

    after = _ran(fixed, tmp_path / "out")
    assert load(fixed).config.evaluate == load(before.folder / "config.yaml").config.evaluate
    assert slugs <= after.quiet
    assert after.scores["macro_f1"] > before.scores["macro_f1"]
