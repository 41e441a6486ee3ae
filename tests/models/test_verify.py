from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.tiny_families import (
    ITEMS,
    LABELS,
    family_of,
    items,
    make_bert,
    make_gemma,
    make_llama,
    make_mt5,
    make_t5,
    opened,
)

from kunren.config.schema import TuningConfig
from kunren.errors import TrainingStopped
from kunren.messages import use_language
from kunren.models import Family
from kunren.models.adapter import prepare, save
from kunren.models.verify import logits, verify
from kunren.models.vocabulary import extend


def trained(make: Any, folder: Path, kind: Any) -> Family:
    """A model that was extended, pushed and saved into ``folder``/model; returned as in memory."""
    config, loaded = opened(make, folder / "base")
    added = None if make is make_bert else extend(loaded, LABELS)
    ids = [token.id for token in added.tokens] if added else []
    tuning = TuningConfig(kind=kind, r=2)
    model = prepare(loaded.model, tuning, str(config.family), ids)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    made = replace(loaded, model=model)
    save(made, folder / "model", config, added)
    return family_of(config, made)


@pytest.mark.parametrize(
    ("make", "kind"),
    [(make_llama, "lora"), (make_mt5, "full"), (make_bert, "lora")],
)
def test_a_fresh_process_gives_the_same_logits(make: Any, kind: Any, tmp_path: Path) -> None:
    family = trained(make, tmp_path, kind)
    found = verify(family, tmp_path / "model", ITEMS, "fp32")
    assert found.rows == len(ITEMS) == 8
    assert found.largest_difference < 1e-5
    assert found.seconds > 0


def test_saved_weights_that_are_not_the_trained_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    family = trained(make_gemma, tmp_path, "full")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    # Only the embedding of the answer: nothing that is read before it tells.
    row = family.loaded.tokenizer.convert_tokens_to_ids("😂")
    weights["model.embed_tokens.weight"][row] += 1e-3
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(TrainingStopped) as caught:
        verify(family, tmp_path / "model", [*ITEMS, *items("ほん", answer="😀")], "fp32")
    (problem,) = caught.value.problems
    assert problem.code == "vocabulary.reload-differs"
    assert problem.fields["rows"] == 9
    assert float(str(problem.fields["largest"])) > 1e-4
    assert str(tmp_path / "model") in str(problem)
    assert caught.value.exit_code == 1


def test_a_model_that_cannot_be_loaded_again(tmp_path: Path) -> None:
    family = trained(make_gemma, tmp_path, "lora")
    shutil.rmtree(tmp_path / "base")
    use_language("en")
    try:
        with pytest.raises(TrainingStopped) as caught:
            verify(family, tmp_path / "model", ITEMS[:1], "fp32")
        assert "which is not there" in str(caught.value)
    finally:
        use_language("ja")
    assert caught.value.problems[0].code == "vocabulary.reload-failed"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_the_fresh_process_ends_with_the_one_that_asks(seconds: float, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    os.mkfifo(request)  # what is asked never comes
    asks = (
        "import sys; from pathlib import Path; from kunren.models import verify;"
        "verify._ask_fresh_process(Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", asks, str(request)]) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.02)
        time.sleep(seconds)
        parent.kill()
    (child,) = found
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    os.kill(int(child), signal.SIGKILL)
    pytest.fail("it lived on")


@pytest.mark.parametrize("make", [make_llama, make_t5, make_bert])
def test_logits_leave_the_model_as_it_was(make: Any, tmp_path: Path) -> None:
    config, loaded = opened(make, tmp_path)
    family = family_of(config, loaded)
    loaded.model.train()
    first = logits(family, ITEMS)
    assert loaded.model.training
    assert torch.equal(logits(family, ITEMS), first)  # no dropout
    columns = len(LABELS) if make is make_bert else 2 * loaded.model.config.vocab_size
    assert first.shape == (len(ITEMS), columns)


@pytest.mark.parametrize("make", [make_llama, make_t5])
def test_logits_are_those_before_and_after_the_answer(make: Any, tmp_path: Path) -> None:
    config, loaded = opened(make, tmp_path)
    family = family_of(config, loaded)
    vocabulary = loaded.model.config.vocab_size
    one, other = (logits(family, items("うれしい", answer=answer)) for answer in ("😀", "笑顔"))
    torch.testing.assert_close(one[:, :vocabulary], other[:, :vocabulary])
    assert not torch.allclose(one[:, vocabulary:], other[:, vocabulary:])
