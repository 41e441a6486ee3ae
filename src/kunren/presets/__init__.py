"""Ready configs, after the five records that kunren grew from: one YAML file a job."""

from __future__ import annotations

from importlib.resources import files

NAMES = ("t5-emoji", "gemma-chat", "llama-qa", "bert-headlines")


def preset(name: str) -> str:
    """The YAML of one of ``NAMES``, with comments that say what its data must look like."""
    return (files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
