from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.small import write_experiment

from kunren import experiment
from kunren.config.load import load
from kunren.errors import InputError
from kunren.messages import text
from kunren.plan import prepare, with_family
from kunren.progress import Silent


def test_ten_kills_end_in_the_same_metrics_and_weights(tmp_path: Path, tiny_model: Path) -> None:
    config = write_experiment(tmp_path, tiny_model)
    script = Path(__file__).with_name("kill_and_resume.py")
    done = subprocess.run(
        [sys.executable, str(script), str(config), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all the same"
    assert done.stdout.count("killed in") >= 5, done.stdout


def test_rows_without_a_prompt_get_one_that_names_the_labels(
    tmp_path: Path, tiny_model: Path
) -> None:
    config = write_experiment(tmp_path, tiny_model)
    plan = with_family(prepare(load(config)), "causal")
    system = plan.rows["train"][0].messages[0]
    assert system.role == "system"
    assert all(label in system.content for label in plan.labels)
    assert plan.config.task.system == system.content
    early = plan.config.train.early_stopping
    assert early is not None
    assert early.patience == 3  # two epochs: at least three evaluations
    bare = with_family(prepare(load(config, ["task.system=''"])), "causal")
    assert bare.rows["train"][0].messages[0].role == "user"


def test_a_run_whose_data_has_changed_is_not_resumed(tmp_path: Path, tiny_model: Path) -> None:
    config = write_experiment(tmp_path, tiny_model)
    run = _interrupted(config, tmp_path / "out", "ベースライン")
    with pytest.raises(InputError, match="kunren run --resume"):
        experiment.open_finished(run)
    data = tmp_path / "rows.jsonl"
    kept = data.read_text("utf-8")
    data.write_text(kept.replace("うれしい", "うれしかった"), "utf-8")
    with pytest.raises(InputError, match="データが変わっている"):
        experiment.resume(run, Silent())
    data.write_text(kept, "utf-8")
    settings = run / "config.yaml"
    begun_with = settings.read_bytes()
    settings.write_bytes(begun_with.replace(b"bootstrap: 100", b"bootstrap: 101"))
    assert settings.read_bytes() != begun_with
    assert _refused(run) == ["run.config-changed"]
    settings.write_bytes(begun_with)
    split = run / "work" / "split.json"
    whole = split.read_bytes()
    split.write_bytes(whole[:10])
    assert _refused(run) == ["run.split-lost"]
    split.write_bytes(whole)
    result = experiment.resume(run, Silent())
    assert result.folder == run
    assert result.metrics["systems"]["tuned"]["accuracy"]["value"] is not None


def _interrupted(config: Path, output: Path, stage: str) -> Path:
    """A run that ended where a stage of this name was to begin."""

    class Stop(Exception):  # noqa: N818
        pass

    class Stopping(Silent):
        def stage(self, name: str, total: float | None):  # type: ignore[no-untyped-def]
            if stage in name:
                raise Stop
            return super().stage(name, total)

    with pytest.raises(Stop):
        experiment.run(config, (), output, Stopping())
    (run,) = output.iterdir()
    return run


def test_a_run_whose_base_has_changed_is_not_resumed(tmp_path: Path, tiny_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    config = write_experiment(tmp_path, base)
    run = _interrupted(config, tmp_path / "out", text("train.stage"))
    weights = base / "model.safetensors"
    changed = load_file(weights)
    changed["model.norm.weight"] += 0.5
    changes: dict[Path, Callable[[], object]] = {
        weights: lambda: save_file(changed, weights, metadata={"format": "pt"}),
        base / "config.json": lambda: _edited(base / "config.json", "rms_norm_eps", 1e-3),
        base / "tokenizer_config.json": lambda: _edited(
            base / "tokenizer_config.json", "model_max_length", 64
        ),
    }
    for path, change in changes.items():
        kept = path.read_bytes()
        change()
        with pytest.raises(InputError) as caught:
            experiment.resume(run, Silent())
        (problem,) = caught.value.problems
        assert problem.code == "run.base-changed"
        assert problem.fields["files"] == path.name.replace("model.safe", "*.safe")
        path.write_bytes(kept)
    known = run / "work" / "untuned.json"
    whole = known.read_bytes()
    known.unlink()
    assert _refused(run) == ["run.split-lost"]
    known.write_bytes(whole)
    assert experiment.resume(run, Silent()).folder == run


def _edited(path: Path, key: str, value: object) -> None:
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**said, key: value}), "utf-8")


def _refused(run: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        experiment.resume(run, Silent())
    return [problem.code for problem in caught.value.problems]


def test_lora_is_saved_so_that_what_was_scored_is_what_is_loaded(
    tmp_path: Path, tiny_model: Path
) -> None:
    config = write_experiment(tmp_path, tiny_model)
    overrides = ("tuning.kind=lora", "tuning.r=4", "train.learning_rate=0.01")
    result = experiment.run(config, overrides, tmp_path / "out", Silent())
    assert (result.folder / "model" / "adapter_model.safetensors").is_file()
    assert not (result.folder / "model" / "model.safetensors").exists()
    said = (result.folder / "summary.md").read_text("utf-8")
    assert "LoRA" in said
