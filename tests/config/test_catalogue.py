"""The messages of the config and of the data: complete in both languages, and all in use."""

from __future__ import annotations

import string
from pathlib import Path
from typing import get_args

import pytest

import kunren
from kunren.config import foreign
from kunren.config.schema import Truncation
from kunren.messages import catalogue

SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in Path(kunren.__file__).parent.rglob("*.py")
    if path.parent.name in ("config", "data", "tasks") or path.name == "userfile.py"
)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("area", ["config", "data", "notes"])
def test_both_languages_say_the_same(area: str) -> None:
    for name, said in catalogue(area).items():
        assert set(said) == {"ja", "en"}, name
        ja, en = placeholders(said["ja"]), placeholders(said["en"])
        assert ja - {"excerpt", "column"} == en - {"excerpt", "column"}, name


@pytest.mark.parametrize("area", ["config", "data", "notes"])
def test_no_message_is_left_over(area: str) -> None:
    # Some names are put together, as f"empty-{key}" is.
    built = {"empty-text", "empty-label", "text-type", "label-type", "joined-user"}
    built |= {"joined-assistant", "same-number", "whole-number"}
    built |= {f"truncated-{where}" for where in get_args(Truncation)}
    built |= {f"foreign-{why}" for why in foreign.WITHOUT}
    built |= {
        f"missing-{one}{labels}{near}"
        for one in ("column", "field")
        for labels in ("", "-of-labels")
        for near in ("", "-near")
    }
    unused = [name for name in catalogue(area) if name not in SOURCE and name not in built]
    assert not unused
