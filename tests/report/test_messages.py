"""The messages of scores, records and diagnoses: complete in both languages, and all in use."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import kunren
from kunren.messages import catalogue

ROOMS = ("evaluation", "records", "report", "doctor", "rules", "templates", "cli")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in Path(kunren.__file__).parent.rglob("*")
    if path.suffix in (".py", ".jinja") and path.parent.name in ROOMS
)
BUILT = re.compile(
    r"(system|verdict|missing|not-better-than-base|below-trivial|overfitting|majority-trap|stage"
    r"|task|tuning|split|best-said|severity|conclusion|file|filter|labels|git|chart|next|metric"
    r"|base|family|caveat|loss|note|good-chosen|bad-chosen|trend|fact|outside|out-of-set"
    r"|mode-collapse|tuned-said|calibration|purpose|trust|rounds|change|prompted|speed|what|memory|eval-loss|base|said|h)-"
)
"""Beginnings of names that are put together, as f"record.stage-{stage}" is."""


def placeholders(said: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(said) if name}


@pytest.mark.parametrize("area", ["evaluate", "record", "doctor", "card"])
def test_both_languages_say_the_same(area: str) -> None:
    for name, said in catalogue(area).items():
        assert set(said) == {"ja", "en"}, name
        # A verdict need not repeat every number in every language.
        if not name.startswith(("verdict-", "labels-")):
            assert placeholders(said["ja"]) == placeholders(said["en"]), name


@pytest.mark.parametrize("area", ["evaluate", "record", "doctor", "card"])
def test_no_message_is_left_over(area: str) -> None:
    said = set(re.findall(r"[\w-]+", SOURCE))
    unused = [n for n in catalogue(area) if n not in said and not BUILT.match(n)]
    assert not unused
