"""Run folders of every layout, found and read; broken ones are named and left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.records import handmade

from kunren.errors import InputError
from kunren.evaluation.sets import METRICS as SET_METRICS
from kunren.records.entry import DIVERSITY, SPEED, VALIDATION_LOSS, answer_of
from kunren.records.foreign import METRICS, read_flat
from kunren.records.layouts import gather, read_entry

JMOJI = Path(__file__).parent / "jmoji"
V3, V4 = JMOJI / "v3_top100_20251212", JMOJI / "v4_focal_top100_20251224"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A run folder of the old program, to be broken."""
    return Path(shutil.copytree(V3, tmp_path / "runs" / V3.name))


def codes(left_out: object) -> list[str]:
    return [problem.code for problem in left_out]  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", [V3, V4])
def test_stored_metrics_are_read_under_our_names(folder: Path) -> None:
    stored = json.loads((folder / "eval_metrics.json").read_text(encoding="utf-8"))
    entry = read_entry(folder)
    assert entry.value("jaccard") == stored["avg_jaccard"]
    assert entry.value(DIVERSITY) == stored["diversity_non_top5_ratio"]
    assert entry.value("exact_match") == 0.0  # a real zero stays one
    for its, ours in METRICS.items():
        assert entry.value(ours) == stored[its]
        score = entry.scores[ours]
        assert (score["ci95"], score["n_scored"]) == (None, stored["num_samples"])
        assert "信頼区間" in score["reason"]


def test_our_names_are_metrics_of_sets() -> None:
    assert set(METRICS.values()) - {DIVERSITY} <= set(SET_METRICS)


def test_rows_labels_settings_and_loss_of_the_old_layout() -> None:
    entry = read_entry(V4)
    assert entry.rows == {"train": 3389, "validation": 424, "test": 424, "all": 4237}
    assert entry.rows_per_label == pytest.approx(42.37)  # seed 000: 約42件
    assert entry.settings["train.loss.focal_gamma"] == 2.0
    assert entry.settings["task.labels.top"] == 100
    assert entry.value(VALIDATION_LOSS) == pytest.approx(3.4500439167022705)
    # v3 has ``focal_gamma: 2.0`` too, but did not use it.
    assert read_entry(V3).settings["train.loss.focal_gamma"] == 0.0
    assert not entry.missing
    assert not entry.warnings


@pytest.mark.parametrize("folder", [V3, V4])
def test_the_jaccard_of_each_sample_is_recomputed(folder: Path) -> None:
    lines = (folder / "predictions_sample.jsonl").read_text(encoding="utf-8").splitlines()
    entry = read_entry(folder)
    assert len(entry.items) == len(lines) == 20
    for row, line in zip(entry.items, lines, strict=True):
        said = answer_of(row)
        assert said is not None
        assert said.score == pytest.approx(json.loads(line)["jaccard"], abs=1e-12)
    assert not entry.whole
    assert "20 行" in entry.checks[0]


def test_a_stored_jaccard_that_is_wrong_is_a_warning_that_names_the_row(copy: Path) -> None:
    path = copy / "predictions_sample.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[3]["jaccard"] = 0.25
    del lines[5]["jaccard"]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    entry = read_entry(copy)
    differs, unstored = entry.warnings
    assert "18 行" in entry.checks[0]
    assert "1 行" in differs
    assert "行: 4" in differs
    assert "1 行" in unstored


@pytest.mark.parametrize("file", ["config.yaml", "train_log.csv", "predictions_sample.jsonl"])
def test_a_missing_file_is_said_and_nothing_is_guessed(copy: Path, file: str) -> None:
    (copy / file).unlink()
    entry = read_entry(copy)
    assert entry.missing == (f"{file} がありません",)
    assert entry.value("jaccard") == pytest.approx(0.05814307458143074)
    if file == "config.yaml":
        assert entry.rows == {}
        assert entry.rows_per_label is None
    if file == "train_log.csv":
        assert entry.value(VALIDATION_LOSS) is None


def test_without_scores_there_are_none(copy: Path) -> None:
    (copy / "eval_metrics.json").unlink()
    entry = read_entry(copy)
    assert entry.value("jaccard") is None
    assert entry.missing == ("eval_metrics.json がありません",)


def test_a_missing_key_and_nan_are_no_numbers(copy: Path) -> None:
    said = {"avg_jaccard": float("nan"), "micro_f1": None, "num_samples": 5}
    (copy / "eval_metrics.json").write_text(json.dumps(said), encoding="utf-8")
    entry = read_entry(copy)
    assert entry.value("jaccard") is None
    assert entry.value("micro_f1") is None
    assert "数ではありません" in entry.scores["jaccard"]["reason"]
    assert DIVERSITY not in entry.scores


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("eval_metrics.json", '{"avg_jaccard": 0.05'),
        ("eval_metrics.json", '{"avg_jaccard": "0.05"}'),
        ("eval_metrics.json", "[1, 2]"),
        ("config.yaml", "a: [1"),
        ("config.yaml", "just words"),
        ("train_log.csv", "epoch,eval_loss\n0.5,abc\n"),
        ("predictions_sample.jsonl", '{"text": "あ", "gold": "😀"'),
        ("predictions_sample.jsonl", '{"text": "あ", "gold": "😀"}\n'),
        ("predictions_sample.jsonl", '{"text": "あ", "gold": 1, "pred": "😀"}\n'),
        ("predictions_sample.jsonl", '"あ"\n'),
    ],
)
def test_a_broken_folder_is_named_and_left_out(copy: Path, file: str, content: str) -> None:
    (copy / file).write_text(content, encoding="utf-8")
    found = gather([str(copy), str(V4)])
    assert [entry.name for entry in found.entries] == [V4.name]
    assert codes(found.left_out) == ["record.broken-file"]
    assert str(copy / file) in str(found.left_out[0])
    assert "\n" not in str(found.left_out[0])


def test_bytes_that_are_no_text_are_named_too(copy: Path) -> None:
    (copy / "train_log.csv").write_bytes(b"\xff\xfe\x00")
    assert codes(gather([str(copy)]).left_out) == ["record.broken-file"]


def test_yaml_that_is_no_json_is_read_as_text(copy: Path) -> None:
    content = "train_samples: many\nunique_emojis: '100'\ncut_off: 2025-12-24\nmodel_name: [t5]\n"
    (copy / "config.yaml").write_text(content, encoding="utf-8")
    entry = read_entry(copy)
    of_name = {"task.labels.top": 100}  # the folder is called so
    assert entry.settings == {**of_name, "cut_off": "2025-12-24", "model.id": "['t5']"}
    assert (entry.rows, entry.label_count) == ({}, None)
    json.dumps(dict(entry.settings))


def test_a_folder_of_another_program_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "eval_metrics.json").write_text('{"wer": 0.3}', encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_flat(tmp_path)
    assert codes(raised.value.problems) == ["compare.unknown-layout"]


def test_parents_patterns_and_files(copy: Path) -> None:
    parent = copy.parent
    (parent / "notes.txt").write_text("memo", encoding="utf-8")
    (parent / "empty").mkdir()
    for path in (str(parent), str(parent / "v3_*"), str(copy) + "/"):
        assert [entry.name for entry in gather([path]).entries] == [V3.name], path
    named = gather([str(p) for p in sorted(parent.iterdir())])
    assert [entry.name for entry in named.entries] == [V3.name]
    assert codes(named.left_out) == ["compare.no-run", "compare.is-a-file"]
    nothing = gather([str(parent / "x_*"), str(parent / "v3_top10_20251212")])
    assert codes(nothing.left_out) == ["compare.no-match", "record.not-there-but"]
    assert V3.name in str(nothing.left_out[1])


def test_a_run_is_taken_once_and_two_of_one_name_are_told_apart(copy: Path) -> None:
    found = gather([str(copy), str(copy.parent), str(V3)])
    assert [entry.name for entry in found.entries] == [f"runs/{V3.name}", f"jmoji/{V3.name}"]


def test_our_own_runs_are_read_with_intervals_rows_and_speed(tmp_path: Path) -> None:
    run = handmade.make(tmp_path, kind="set")
    metrics = json.loads((run / "eval_metrics.json").read_text(encoding="utf-8"))
    assert read_entry(run).value(SPEED) is None  # an older run has none
    metrics["speed"] = {"tuned": {SPEED: 12.5}}
    (run / "eval_metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    entry = read_entry(run)
    tuned = metrics["systems"]["tuned"]
    assert entry.value("jaccard") == tuned["jaccard"]["value"]
    assert entry.interval("jaccard") == tuple(tuned["jaccard"]["ci95"])
    assert entry.rows == {"train": 60, "validation": 10, "test": 40, "all": 110}
    assert entry.rows_per_label == pytest.approx(110 / len(handmade.LABELS))
    assert entry.value(SPEED) == 12.5
    assert entry.whole
    assert len(entry.items) == 40
    assert set(entry.items[0].systems) == {"tuned"}
    assert entry.rival is not None
    rival = metrics["systems"][entry.rival.system]["jaccard"]["value"]
    assert entry.rival.value == rival
    assert entry.rival.verdict in ("better", "worse", "indistinguishable")


def test_an_unfinished_run_says_how_it_ended(tmp_path: Path) -> None:
    run = handmade.make(tmp_path)
    (run / "eval_metrics.json").unlink()
    status = json.loads((run / "status.json").read_text(encoding="utf-8"))
    (run / "status.json").write_text(json.dumps(status | {"status": "failed"}), encoding="utf-8")
    entry = read_entry(run)
    assert entry.scores.keys() == {VALIDATION_LOSS}
    assert "エラーで止まっていて" in entry.missing[0]
    assert "eval_metrics.json がありません" in entry.missing


def test_a_broken_run_of_ours_is_left_out(tmp_path: Path) -> None:
    run = handmade.make(tmp_path)
    (run / "predictions.jsonl").write_text('{"id": "t0"', encoding="utf-8")
    (run / "config.yaml").write_text("a: [", encoding="utf-8")
    found = gather([str(run)])
    assert codes(found.left_out) == ["config.yaml-broken", "record.broken-file"]
