"""Patches of what is found before training, applied to whole experiments: it is found no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.doctor.mending import Fault, patch_of
from tests.small import write_experiment
from tests.tiny_models import save_tiny

from kunren import check
from kunren.config.load import load
from kunren.doctor.table import BY_SLUG
from kunren.errors import InputError, KunrenWarning
from kunren.models import adapter
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.ready import Ready, make_ready
from kunren.training.rates import learning_rate

_RATE, _LENGTH = ("train.learning_rate",), ("train.max_length",)
_FROZEN = ("tuning.train_embeddings=false", "model.add_tokens=[🥳]")
_HALF = ("train.precision=fp16", "model.add_tokens=[🥳]")
_LORA = "tuning.kind=lora"
_LARGE = "doctor.thresholds={many-weights.per_row: {value: 1000, reason: a tiny model}}"
_OWN = ("train.learning_rate=3e-5", "tuning.train_embeddings=true")

FAULTS = (
    Fault("label-roundtrip", ("model.add_tokens",), "gemma-unk", name="causal"),
    Fault("label-roundtrip", ("model.add_tokens",), "t5-unk", name="seq2seq"),
    Fault("end-in-text", ("model.add_tokens",), "gemma-end", name="causal"),
    Fault("untrained-tokens", ("tuning.train_embeddings",), "gemma", _FROZEN, "causal"),
    Fault("untrained-tokens", ("tuning.train_embeddings",), "t5", _FROZEN, "seq2seq"),
    Fault("fp16-new-tokens", ("train.precision",), "gemma", _HALF, "causal"),
    Fault("fp16-new-tokens", ("train.precision",), "t5", _HALF, "seq2seq"),
    Fault("learning-rate", _RATE, "gemma", ("train.learning_rate=5e-4",), "high"),
    Fault("learning-rate", _RATE, "gemma", ("train.learning_rate=3e-5", _LORA), "low"),
    Fault("learning-rate", _RATE, "t5", ("train.learning_rate=1",), "far-too-high"),
    Fault("learning-rate", _RATE, "bert", ("train.learning_rate=1e-6",), "far-too-low"),
    Fault("long-warmup", ("train.warmup",), "bert", ("train.warmup=500",), "over"),
    Fault("long-warmup", ("train.warmup",), "bert", ("train.warmup=0.6",), "most"),
    Fault("long-warmup", ("train.warmup",), "bert", ("train.batch_size=16",), "two-steps"),
    Fault("many-weights", ("tuning.kind", *_RATE), "gemma", (_LARGE,)),
    Fault("many-weights", ("tuning.kind", *_RATE, "tuning.train_embeddings"), "gemma",
          (_LARGE, *_OWN), "own-settings"),
    Fault("truncation", _LENGTH, "gemma", ("train.max_length=12",), "causal"),
    Fault("truncation", _LENGTH, "t5", ("train.max_length=5",), "seq2seq"),
    Fault("loose-limit", _LENGTH, "gemma", ("train.max_length=500", "task.system=あ"), "causal"),
    Fault("loose-limit", _LENGTH, "bert", ("train.max_length=400",), "encoder"),
    Fault("loose-limit", _LENGTH, "bert", ("train.max_length=900",), "beyond-the-model"),
)  # fmt: skip
"""What is wrong in a YAML that is shown to ``kunren check``."""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from the name of a model to an experiment with it, each made once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            kind, _, unknown = name.partition("-")
            config = write_experiment(folder, save_tiny(kind, folder / "model"))
            if unknown:
                _forget_bytes(folder / "model" / "tokenizer.json", as_end=unknown == "end")
                rows = (folder / "rows.jsonl").read_text("utf-8")
                rows = rows.replace("😀", "🥳").replace("😢", "🤔")
                (folder / "rows.jsonl").write_text(rows, "utf-8")
            made[name] = config
        return made[name]

    return make


def _forget_bytes(path: Path, *, as_end: bool) -> None:
    """Let a tokenizer write UNK, or the end, for a character that it does not know."""
    tokenizer = json.loads(path.read_text("utf-8"))
    if as_end:
        tokenizer["model"]["unk_token"] = "<eos>"
    tokenizer["model"]["byte_fallback"] = False
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")


def _found(done: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["slug"]: finding for finding in done["findings"]}


def ready(config: Path, *overrides: str) -> Ready:
    return make_ready(prepare(load(config, overrides)), Silent())


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_mended_config_has_it_no_more(fault: Fault, experiments: Callable[[str], Path]) -> None:
    config = experiments(fault.base)
    before = check.check(config, fault.set, Silent())
    patch = patch_of(fault, _found(before.found), before.plan.config.model_dump(mode="json"))
    used = (*fault.set, *patch)
    after = check.check(config, used, Silent())
    assert fault.slug in {rule["slug"] for rule in after.found["quiet"]}
    # Nor does the real model have it, with which training would now begin.
    loaded = check.before_training(ready(config, *used))
    assert fault.slug in {rule["slug"] for rule in loaded["quiet"]}
    assert fault.slug in BY_SLUG


def test_what_stopped_a_run_stops_it_no_more(experiments: Callable[[str], Path]) -> None:
    for fault in FAULTS:
        if fault.slug in ("label-roundtrip", "truncation"):
            config = experiments(fault.base)
            with pytest.raises(InputError):
                ready(config, *fault.set)


def test_added_tokens_move_once_they_may(experiments: Callable[[str], Path]) -> None:
    def moves(*settings: str) -> bool:
        made = ready(experiments("gemma"), *_FROZEN, *settings)
        assert made.added is not None
        new = [token.id for token in made.added.tokens]
        model = adapter.prepare(made.family.loaded.model, made.plan.config.tuning, "causal", new)
        rows: torch.Tensor = model.get_input_embeddings().weight
        return rows.requires_grad

    with pytest.warns(KunrenWarning):
        assert not moves()
    assert moves("tuning.train_embeddings=null")


def test_a_limit_that_is_lowered_leaves_the_few_shot_baseline_its_examples(
    experiments: Callable[[str], Path],
) -> None:
    from kunren.evaluation import prompted
    from kunren.ready import token_limit

    config, (fault, *_) = experiments("gemma"), [f for f in FAULTS if f.slug == "loose-limit"]
    before = check.check(config, fault.set, Silent())
    patch = patch_of(fault, _found(before.found), before.plan.config.model_dump(mode="json"))

    def shown(*settings: str) -> Mapping[str, int]:
        made = ready(config, *settings)
        plan = made.plan
        source = prompted.Source(
            plan.rows["train"], (), token_limit(plan.config, made.family), False
        )
        done = prompted.prompted(
            "few_shot", made.family, source, plan.items["test"], plan.config.evaluate
        )
        used: Mapping[str, int] = done.facts["used"]
        return used

    assert shown(*fault.set, *patch) == shown(*fault.set) == {"4": 6}


def test_the_rate_that_is_offered_is_the_one_that_kunren_takes(
    experiments: Callable[[str], Path],
) -> None:
    for base, family in (("gemma", "causal"), ("t5", "seq2seq"), ("bert", "encoder")):
        for kind in ("full", "lora"):
            open_ = check.check(
                experiments(base), ("train.learning_rate=null", f"tuning.kind={kind}"), Silent()
            )
            assert open_.plan.config.train.learning_rate == learning_rate(family, kind)
            assert "learning-rate" not in _found(open_.found)
