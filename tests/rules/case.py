"""One case of a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One case of a rule.

    Attributes:
        name: what it is, for the message of a failing test.
        evidence: by the names of the rule's parameters; what a lacking case leaves out is missing.
        severity: of the finding, where it fires.
        says: parts that the finding's Japanese message must have.
        fix: the patch it must offer; None: none.
    """

    name: str
    evidence: Mapping[str, Any]
    severity: str = ""
    says: Sequence[str] = ()
    fix: Mapping[str, Any] | None = None
