from __future__ import annotations

import json
import math
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from kunren.doctor import foreign
from kunren.doctor.engine import BEFORE_TRAINING
from kunren.doctor.evidence import EVIDENCE
from kunren.doctor.look import look
from kunren.errors import InputError
from kunren.messages import use_language
from kunren.records.layouts import read_entry

HISTORY = [
    {"epoch": 1.0, "step": 100, "loss": 1.5, "learning_rate": 2e-5, "grad_norm": 1.0},
    {"epoch": 1.0, "step": 100, "eval_loss": 1.22, "eval_accuracy": 0.6, "eval_runtime": 2.0,
     "eval_samples_per_second": 50.0},
    {"epoch": 2.0, "step": 200, "loss": 0.8, "learning_rate": 1e-5},
    {"epoch": 2.0, "step": 200, "eval_loss": 1.24, "eval_accuracy": 0.62},
    {"epoch": 3.0, "step": 300, "loss": 0.32, "learning_rate": 0.0},
    {"epoch": 3.0, "step": 300, "eval_loss": 1.71, "eval_accuracy": 0.63},
]  # fmt: skip


def state(folder: Path, history: list[Any], **more: Any) -> Path:
    """Write a trainer_state.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    content = {"global_step": 300, "epoch": 3.0, "max_steps": 300, "num_train_epochs": 3} | more
    path.write_text(json.dumps({"log_history": history} | content), encoding="utf-8")
    return path


def found(path: Path, **asked: Any) -> dict[str, str]:
    """Slug → severity."""
    return {f["slug"]: f["severity"] for f in look(path, **asked)["findings"]}


def test_a_state_is_read_from_its_file_its_folder_or_a_checkpoint(tmp_path: Path) -> None:
    path = state(tmp_path / "out", HISTORY)
    assert found(path) == found(tmp_path / "out")
    assert found(path)["overfitting"] == "warning"
    for number in (9, 100, 300):
        state(tmp_path / "run" / f"checkpoint-{number}", HISTORY, global_step=number)
    assert foreign.read(tmp_path / "run").course.last_step == 300
    assert found(tmp_path / "run") == found(path)


def test_the_only_run_below_a_folder_is_read(tmp_path: Path) -> None:
    path = state(tmp_path / "out" / "run" / "checkpoint-300", HISTORY)
    assert found(tmp_path) == found(path)
    state(tmp_path / "out" / "second", HISTORY)
    with pytest.raises(InputError) as caught:
        look(tmp_path)
    assert caught.value.problems[0].code == "doctor.many-runs"


def test_a_state_under_another_name_is_read(tmp_path: Path) -> None:
    path = state(tmp_path / "out", HISTORY)
    expected = found(path)
    (tmp_path / "out" / "package.json").write_text("{}", encoding="utf-8")
    path = path.rename(path.with_name("overfit_03.json"))
    assert found(path) == expected == found(tmp_path / "out")


def test_numbers_in_mappings_and_in_text_count(tmp_path: Path) -> None:
    rows = [
        {"step": 100 * n, "epoch": n, "loss": "0.5", "eval_loss": "nan",
         "eval_accuracy": {"accuracy": 0.95}, "eval_report": {"macro avg": {"f1-score": 0.5}}}
        for n in (1, 2, 3)
    ]  # fmt: skip
    slugs = found(state(tmp_path, rows))
    assert slugs["non-finite"] == "critical"
    assert slugs["majority-trap"] == "warning"


def test_numbers_that_no_training_has_break_nothing(tmp_path: Path) -> None:
    rows = [
        {"step": 10, "epoch": 1.0, "loss": 1e300, "eval_loss": 2690.0, "eval_accuracy": 0.5,
         "eval_runtime": 1e200, "eval_samples_per_second": 1e200},
        {"step": 20, "epoch": 2.0, "loss": 10**400, "eval_loss": 0.0, "eval_f1_macro": 0.5},
        {"step": 30, "epoch": 3.0, "loss": 0.5, "eval_loss": 900.0},
    ]  # fmt: skip
    assert found(state(tmp_path, rows))["non-finite"] == "critical"


def test_rows_of_several_evaluation_sets_at_a_step_are_one_evaluation(tmp_path: Path) -> None:
    rows = [
        row | {"step": 100 * n, "epoch": n}
        for n in (1, 2, 3)
        for row in (
            {"eval_a_loss": 0.5 - 0.05 * n},
            {"eval_b_loss": 0.3, "eval_b_accuracy": 0.93, "eval_b_f1_macro": 0.4 + 0.01 * n},
        )
    ]
    course = foreign.read(state(tmp_path, rows)).course
    assert course.evaluations[0].values == pytest.approx(
        {"loss": 0.45, "b_accuracy": 0.93, "b_f1_macro": 0.41}
    )
    assert found(tmp_path)["majority-trap"] == "warning"


def test_an_output_folder_that_is_behind_its_newest_checkpoint_is_not_read(tmp_path: Path) -> None:
    state(tmp_path, HISTORY[:2], global_step=100)
    state(tmp_path / "checkpoint-300", HISTORY)
    assert len(foreign.read(tmp_path).course.evaluations) == 3


def test_what_a_state_tells(tmp_path: Path) -> None:
    end = {"epoch": 3.0, "step": 300, "train_loss": 0.9, "train_runtime": 60.0,
           "train_samples_per_second": 40.0}  # fmt: skip
    path = state(
        tmp_path, [*HISTORY, end], best_metric=0.62, best_model_checkpoint=r"out\checkpoint-200"
    )
    course = foreign.read(path).course
    assert (course.rows, course.evaluation_rows, course.mean_loss) == (800, 100, 0.9)
    assert (course.best_step, course.kept_step, course.judged_by) == (200, None, "accuracy")
    assert (course.last_epoch, course.planned_steps) == (3.0, 300)
    assert course.metric() == "accuracy"


def test_a_last_evaluation_that_repeats_the_best_shows_that_it_was_loaded(tmp_path: Path) -> None:
    again = {"epoch": 3.0, "step": 300, "eval_loss": 1.22}
    path = state(
        tmp_path, [*HISTORY, again], best_metric=1.22, best_model_checkpoint="out/checkpoint-100"
    )
    course = foreign.read(path).course
    assert course.kept_step == 100
    assert [one.loss for one in course.evaluations] == [1.22, 1.24, 1.71]
    assert found(path)["overfitting"] == "info"


def test_what_lies_beside_is_used(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-300"
    state(checkpoint, HISTORY, train_batch_size=8)
    (checkpoint / "config.json").write_text(
        json.dumps({"id2label": {"0": "a", "1": "b", "2": "c"}})
    )
    (checkpoint / "adapter_config.json").write_text("{}")
    (tmp_path / "README.md").write_text(
        "- learning_rate: 0.0002\n- gradient_accumulation_steps: 4\n"
        "- mixed_precision_training: Native AMP\n"
    )
    course = foreign.read(tmp_path).course
    assert course.labels == 3
    assert course.rows == 800
    assert course.settings == {
        "train.learning_rate": 2e-4, "train.gradient_accumulation": 4.0, "train.precision": "fp16",
        "tuning.kind": "lora",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "labels", "vocabulary"),
    [
        ({"architectures": ["BertForSequenceClassification"], "vocab_size": 32768}, 2, None),
        ({"architectures": ["GemmaForCausalLM"], "vocab_size": 262144}, None, 262144),
        ({"architectures": "broken", "id2label": []}, None, None),
    ],
)
def test_kinds_of_models(
    tmp_path: Path, config: dict[str, Any], labels: int | None, vocabulary: int | None
) -> None:
    state(tmp_path, HISTORY)
    (tmp_path / "config.json").write_text(json.dumps(config))
    course = foreign.read(tmp_path).course
    assert (course.labels, course.vocabulary) == (labels, vocabulary)


def test_not_learning_knows_the_labels_from_the_config(tmp_path: Path) -> None:
    history = [
        {"epoch": n / 10, "step": 10 * n, "loss": 1.1 - 0.0002 * n, "eval_loss": 1.0990}
        for n in range(1, 31)
    ]
    state(tmp_path, history)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "a", "1": "b", "2": "c"}}))
    assert found(tmp_path)["not-learning"] == "critical"


def test_nan_in_json_is_read(tmp_path: Path) -> None:
    history = [
        {"epoch": 1.0, "step": 10, "loss": 0.0, "grad_norm": math.nan},
        {"epoch": 1.0, "step": 10, "eval_loss": math.nan},
    ]
    path = state(tmp_path, history)
    assert "NaN" in path.read_text("utf-8")
    assert found(path)["zero-loss"] == "critical"
    assert found(path)["non-finite"] == "critical"
    json.dumps(look(path), allow_nan=False)


def test_an_empty_history_is_no_fault_of_ours(tmp_path: Path) -> None:
    path = state(tmp_path, [])
    assert found(path) == {"no-evaluation": "warning"}
    assert all(rule["reason"].strip() for rule in look(path)["skipped"])


def test_what_is_missing_is_named_in_words(tmp_path: Path) -> None:
    path, names = state(tmp_path, HISTORY), {*EVIDENCE, *BEFORE_TRAINING}
    for language in ("en", "ja"):
        use_language(language)
        for rule in look(path)["skipped"]:
            words = re.findall(r"without (\w+)[.]|、(\w+?)がありません", rule["reason"])
            assert not {word for pair in words for word in pair} & names, rule


def test_rows_that_are_none_are_passed_over(tmp_path: Path) -> None:
    odd = ["text", None, {"loss": "1.5", "step": 5}, {"loss": True, "step": 6}, *HISTORY]
    assert found(state(tmp_path, odd)) == found(state(tmp_path / "b", HISTORY))


def test_rewards_are_not_judged_by_their_loss(tmp_path: Path) -> None:
    history = [
        {"step": n, "loss": 0.0, "reward": 0.1, "rewards/format/mean": 0.2, "grad_norm": 0.0}
        for n in range(1, 30)
    ]
    path = state(tmp_path, history)
    looked = look(path)
    assert looked["findings"] == []
    assert any("強化学習" in note for note in looked["notes"])
    assert "強化学習" in {r["slug"]: r["reason"] for r in looked["skipped"]}["zero-loss"]


def test_majority_trap_is_seen_in_the_logged_metrics(tmp_path: Path) -> None:
    def ends(accuracy: float, macro: float) -> dict[str, str]:
        history = [{"epoch": n, "step": n, "eval_loss": 0.9 - n / 99, "eval_accuracy": accuracy,
                    "eval_f1_macro": macro + n / 1e4} for n in range(4)]  # fmt: skip
        return found(state(tmp_path, history), select=["majority-trap"])

    assert ends(0.92, 0.45) == {"majority-trap": "warning"}
    assert ends(0.90, 2 * 0.9 / 1.9 / 5 - 3e-4) == {"majority-trap": "critical"}
    assert ends(0.92, 0.88) == {}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("trainer_state.json", '{"log_history": [{"loss": 1.0,', "doctor.broken-json"),
        ("trainer_state.json", '{"balance": 1}', "doctor.no-history"),
        ("trainer_state.json", "[1, 2]", "doctor.no-history"),
        ("losses.csv", "名前,値\nあ,1\n", "doctor.no-loss-column"),
        ("losses.csv", "", "doctor.empty-table"),
        ("model.bin", "x", "doctor.unknown-file"),
    ],
)
def test_one_clear_message(tmp_path: Path, name: str, content: str, code: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        look(path)
    assert [problem.code for problem in error.value.problems] == [code]
    assert str(path) in str(error.value)


def test_folders_without_a_run(tmp_path: Path) -> None:
    for path, code in ((tmp_path, "doctor.nothing-known"), (tmp_path / "x", "doctor.no-path")):
        with pytest.raises(InputError) as error:
            look(path)
        assert error.value.problems[0].code == code
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("loss\n1\n")
    with pytest.raises(InputError) as error:
        look(tmp_path)
    assert error.value.problems[0].code == "doctor.many-tables"
    assert "a.csv / b.csv" in str(error.value)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("step,train_loss,val_loss", {"loss", "eval_loss"}),
        ("Epoch\tTraining Loss\tValidation Loss", {"loss", "eval_loss"}),
        ("エポック,学習損失,検証損失", {"loss", "eval_loss"}),
        ("epoch;loss;val_loss;accuracy;val_accuracy", {"loss", "eval_loss", "eval_accuracy"}),
        ("iter,loss,lr", {"loss", "learning_rate"}),
    ],
)
def test_columns_are_known_by_clear_names(tmp_path: Path, header: str, named: set[str]) -> None:
    mark = max(",\t;", key=header.count)
    width = header.count(mark) + 1
    rows = [mark.join([str(n), *[str(1.5 - 0.1 * n)] * (width - 1)]) for n in range(1, 6)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    read = foreign.read(path)
    course = read.course
    has = {"loss"} if course.loss else set()
    has |= {"learning_rate"} if course.rate else set()
    has |= {f"eval_{name}" for one in course.evaluations for name in one.values}
    assert has == named
    assert all(name in read.notes[0] for name in named)


def test_a_metric_of_training_rows_is_not_one_of_the_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "keras.csv"
    rows = [f"{n},{1 - n / 10},0.{n + 4},{1.2 - n / 10},0.5" for n in range(1, 5)]
    path.write_text("\n".join(["epoch,loss,accuracy,val_loss,val_accuracy", *rows]))
    read = foreign.read(path)
    assert {one.values["accuracy"] for one in read.course.evaluations} == {0.5}
    assert "accuracy" in read.notes[1]


def test_japanese_encodings_and_controls(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("エポック,学習損失,検証損失,メモ\x1b[31m\n1,2.0,1.9,良い\n".encode("cp932"))
    read = foreign.read(path)
    assert read.course.evaluations[0].loss == 1.9
    assert "\x1b" not in "".join(read.notes)


def test_the_folder_of_seed_000(tmp_path: Path) -> None:
    (tmp_path / "train_log.csv").write_text(
        "epoch,eval_loss,learning_rate,loss,step\n"
        + "".join(f"{n}.0,{e},,{t},{100 * n}\n" for n, e, t in ((1, 1.22, 1.86), (2, 1.24, 0.9)))
        + "3.0,1.71,,0.32,300\n"
    )
    (tmp_path / "config.yaml").write_text(
        "num_epochs: 3\nlearning_rate: 0.0003\ntrain_samples: 1600"
    )
    course = foreign.read(tmp_path).course
    assert course.rows == 1600
    assert course.settings == {"train.learning_rate": 0.0003, "train.epochs": 3.0}
    assert found(tmp_path)["overfitting"] == "warning"


def test_answers_that_seed_000_kept_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "train_log.csv").write_text("epoch,loss\n1,2.0\n")
    gold = ("😀 🎉", "😢", "📚 🏆", "🎵")
    rows = [{"text": f"文{n}", "gold": gold[n % 4], "pred": "✨ 🎉"} for n in range(20)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "predictions_sample.jsonl").write_text(lines, encoding="utf-8")
    assert found(tmp_path)["mode-collapse"] == "critical"
    assert "20" in look(tmp_path)["notes"][-1]
    (tmp_path / "predictions_sample.jsonl").write_text('{"text": 1}\n')
    with pytest.raises(InputError, match="predictions_sample"):
        look(tmp_path)


JMOJI = Path(__file__).parents[1] / "records" / "jmoji"


def test_all_that_seed_000_kept_is_used(tmp_path: Path) -> None:
    path = Path(shutil.copytree(JMOJI / "v3_top100_20251212", tmp_path / "v3"))
    course = foreign.read(path).course
    assert (course.rows, course.evaluation_rows, course.last_epoch) == (1749, 219, 29)
    assert course.stopped_early  # planned were 50 epochs, with a patience of 5
    assert (course.best_step, course.kept_step) == (None, None)  # its summary.md is not there
    assert course.settings["train.loss.label_smoothing"] == 0.1
    assert "train.loss.focal_gamma" not in course.settings  # written, but not used
    (path / "summary.md").write_text(
        "# v3\n\n## Training Info\n- Best Checkpoint: /content/outputs/checkpoint-2640\n"
        "- Final Eval Loss: 4.714391231536865\n"
    )
    course = foreign.read(path).course
    assert (course.best_step, course.kept_step, course.judged_by) == (2640, 2640, "loss")
    looked = look(path)
    quiet = {rule["slug"] for rule in looked["quiet"]}
    assert {"zero-scores", "short-input-errors", "focal-with-smoothing"} <= quiet
    assert any("eval_metrics.json の指標 8 個" in note for note in looked["notes"])
    scores = json.loads((path / "eval_metrics.json").read_text())
    (path / "eval_metrics.json").write_text(json.dumps(scores | {"micro_f1": 0.0}))
    assert "zero-scores" in found(path)


def test_a_state_in_seed_000s_folder_serves_both_readers(tmp_path: Path) -> None:
    path = Path(shutil.copytree(JMOJI / "v3_top100_20251212", tmp_path / "v3"))
    (path / "train_log.csv").unlink()
    state(path, HISTORY)
    read = foreign.read(path)
    assert [one.loss for one in read.course.evaluations] == [1.22, 1.24, 1.71]
    assert read.course.settings["train.epochs"] == 50
    assert {"tuned", "metrics"} <= set(read.told)
    entry = read_entry(path)
    assert entry.value("validation_loss") == 1.22
    assert not entry.missing


def test_answers_and_scores_without_any_log(tmp_path: Path) -> None:
    path = Path(shutil.copytree(JMOJI / "v4_focal_top100_20251224", tmp_path / "v4"))
    (path / "train_log.csv").unlink()
    looked = look(path)
    assert [f["slug"] for f in looked["findings"]] == ["soft-collapse"]
    assert not {r["code"] for kind in ("quiet", "skipped") for r in looked[kind]} & {"T001", "T002"}


def test_some_other_config_beside_a_log_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "losses.csv").write_text("step,loss\n1,2.0\n2,1.5\n")
    for content in ("model: {name: bert}\n", "just words", "a: [1"):
        (tmp_path / "config.yaml").write_text(content)
        assert len(foreign.read(tmp_path).course.loss) == 2


def test_results_of_the_trainer_say_how_many_rows_there_were(tmp_path: Path) -> None:
    state(tmp_path, HISTORY)
    counts = {"eval_samples": 408, "train_samples": 3668, "eval_accuracy": 0.6}
    (tmp_path / "all_results.json").write_text(json.dumps(counts))
    course = foreign.read(tmp_path).course
    assert (course.rows, course.evaluation_rows) == (3668, 408)


def test_a_long_log_is_read_at_once(tmp_path: Path) -> None:
    history: list[dict[str, float]] = [
        {"step": n, "epoch": n / 50_000, "loss": 2.0 - n / 1e5 + (n % 7) / 50, "grad_norm": 1.0}
        for n in range(1, 100_001)
    ]
    history += [
        {"step": n, "epoch": n / 50_000, "eval_loss": 1.0} for n in range(500, 100_001, 500)
    ]
    path = state(tmp_path, history)
    begun = time.monotonic()
    look(path)
    assert time.monotonic() - begun < 10  # about 1 s on a machine of its own


def test_selecting_and_ignoring(tmp_path: Path) -> None:
    path = state(tmp_path, HISTORY)
    assert set(found(path, select=["overfitting"])) == {"overfitting"}
    looked = look(path, ignore=["overfitting"])
    assert "overfitting" not in {f["slug"] for f in looked["findings"]}
    assert looked["ignored"] == [
        {"code": "T002", "slug": "overfitting", "reason": "--ignore で指定"}
    ]
    with pytest.raises(InputError) as error:
        look(path, ["overfiting"])
    assert "overfitting" in str(error.value)


def test_both_languages_say_the_same() -> None:
    path_said = {}
    for language in ("ja", "en"):
        use_language(language)
        with pytest.raises(InputError) as error:
            look(Path("/nowhere/at/all"))
        path_said[language] = str(error.value)
    use_language("ja")
    assert path_said["ja"] != path_said["en"]
