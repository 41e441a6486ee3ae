"""Every message of the output rules is said in a case, in both languages with the same numbers."""

from __future__ import annotations

import re
import string

from tests.rules.test_cases import cases, evidence

from kunren.doctor.engine import apply
from kunren.doctor.table import OUTPUT
from kunren.messages import catalogue, use_language


def pattern(said: str) -> re.Pattern[str]:
    """What a message looks like once its placeholders are filled."""
    parts = (re.escape(before) for before, *_ in string.Formatter().parse(said))
    return re.compile(".*".join(parts), re.DOTALL)


def test_both_languages_have_the_same_placeholders() -> None:
    for name, said in catalogue("rules_output").items():
        named = [{n for _, n, *_ in string.Formatter().parse(said[x]) if n} for x in ("ja", "en")]
        assert named[0] == named[1], name


def test_every_message_is_said() -> None:
    use_language("ja")
    told = [
        found.message
        for rule in OUTPUT
        for case in cases(rule, "fires")
        if (found := apply(rule, evidence(case))) is not None
    ]
    for name, said in catalogue("rules_output").items():
        form = pattern(said["ja"])
        assert any(form.search(message) for message in told), name
