"""The rules there are: an explicit table, from which each is imported when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kunren.doctor.evidence import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: short and stable; its letter is the area (D data, M model and config, T training,
            O output).
        slug: stable and plain.
        target: "module:function" below ``kunren.doctor.rules``. Its parameters name the evidence
            that it needs, its keyword-only ones with defaults are its thresholds, and it returns a
            ``Finding``, or None where all is well. Its docstring is its page (see ``pages``).
    """

    code: str
    slug: str
    target: str

    def load(self) -> Callable[..., Finding | None]:
        """The rule's function."""
        module, _, name = self.target.partition(":")
        found = getattr(import_module(f"kunren.doctor.rules.{module}"), name)
        return cast("Callable[..., Finding | None]", found)


DATA: tuple[Rule, ...] = ()
"""What the rows and their split tell; known before training."""

MODEL: tuple[Rule, ...] = ()
"""What config, tokenizer and model tell together; known before any weight is loaded."""

TRAINING = (
    Rule("T001", "non-finite", "training:non_finite"),
    Rule("T002", "overfitting", "training:overfitting"),
    Rule("T003", "still-improving", "training:still_improving"),
    Rule("T030", "validation-collapse", "training_live:validation_collapse"),
)
"""What the course of training tells."""

OUTPUT = (
    Rule("O001", "not-better-than-base", "output:not_better_than_base"),
    Rule("O002", "below-trivial", "output:below_trivial"),
    Rule("O003", "small-evaluation", "output:small_evaluation"),
    Rule("O004", "out-of-set", "output:out_of_set"),
    Rule("O005", "mode-collapse", "output:mode_collapse"),
    Rule("O006", "majority-trap", "output:majority_trap"),
    Rule("O007", "turn-collapse", "output:turn_collapse"),
)
"""What the answers tell."""

RULES: tuple[Rule, ...] = (*DATA, *MODEL, *TRAINING, *OUTPUT)

BY_SLUG: Mapping[str, Rule] = {rule.slug: rule for rule in RULES}
