"""Saving is tried before training: what cannot be saved and read back must not cost a training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenError, Problem
from kunren.models import Family, family_class
from kunren.models.adapter import load_saved, save
from kunren.models.disk import writing
from kunren.models.folder import load_tokenizer
from kunren.models.load import Loaded, Precision
from kunren.models.quiet import quiet
from kunren.models.sources import locate
from kunren.models.verify import compare, logits
from kunren.models.vocabulary import Added
from kunren.types import Item

WHOLE = 2**29
"""Bytes of weights up to which a model is really written and read: a second or two."""


def rehearse(
    family: Family,
    base: ModelConfig,
    added: Added | None,
    items: Sequence[Item],
    precision: Precision,
    target: Path,
) -> None:
    """Save the prepared, untrained model as it will be saved, read it back and ask both.

    Of a large model no weights are written and none read, but what describes them is: config,
    tokenizer, adapter. torch's generators are left as they were.

    Args:
        family: around the prepared model.
        base: what it is to be tuned from.
        added: the tokens that were added to it.
        items: what both are asked.
        precision: what it was loaded in.
        target: where the model will be saved; the trial goes into a folder beside it.

    Raises:
        InputError: it could not be saved, or not be read back.
        OSError: the system refused to write.
    """
    import torch

    whole = sum(p.numel() * p.element_size() for p in family.loaded.model.parameters()) <= WHOLE
    folder = target.with_name(f".{target.name}.trial")
    try:
        with writing(target.parent), torch.random.fork_rng():
            save(family.loaded, folder, base, added, weights=whole)
            if whole:
                again = load_saved(folder, precision=precision)
                compare(logits(family, items), logits(_as(family, again), items), folder)
            else:
                _open_described(family, base, folder)
    except KunrenError as error:
        raise InputError([_problem(base, problem) for problem in error.problems]) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(_problem(base, _first_line(error))) from error
    except Exception as error:  # saving and loading run code of transformers, PEFT and models
        raise InputError(_problem(base, _first_line(error))) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as(family: Family, loaded: Loaded) -> Family:
    made: Any = type(family)
    again: Family = made(loaded)
    return again


def _open_described(family: Family, base: ModelConfig, folder: Path) -> None:
    """Read all but the weights: that the classes and shapes are found again by the files alone."""
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import AutoConfig

    load_tokenizer(folder, base)
    if isinstance(family.loaded.model, PeftModel):
        PeftConfig.from_pretrained(str(folder))
        locate(base)
        return
    with quiet(), torch.device("meta"):
        described = AutoConfig.from_pretrained(folder, trust_remote_code=base.trust_remote_code)
        auto: Any = getattr(import_module("transformers"), family_class(family.name).auto_class)
        made = auto.from_config(described, trust_remote_code=base.trust_remote_code)
    # Also those that are tied: which name counts as the copy differs.
    shapes, wanted = (
        {name: p.shape for name, p in model.named_parameters(remove_duplicate=False)}
        for model in (made, family.loaded.model)
    )
    if differing := sorted(n for n in {*shapes, *wanted} if shapes.get(n) != wanted.get(n)):
        raise ValueError(", ".join(differing[:5]))


def _problem(base: ModelConfig, reason: object) -> Problem:
    return Problem("train.cannot-save", None, {"base": base.id, "reason": reason})


def _first_line(error: Exception) -> str:
    said = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {said.strip()}" if said else type(error).__name__
