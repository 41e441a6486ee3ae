"""What one value means, whatever its type."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pytest

from kunren.data.cells import amount, as_text, is_missing, structure

TURNS = [{"role": "user", "content": "it's } { ok"}, {"role": "assistant", "content": None}]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('["a", "b"]', ["a", "b"]),
        (" ['a', 'b'] ", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),  # Python alone would make ab of it
        ("['a'\n 'b']", ["a", "b"]),
        ("[1 0 1]", [1, 0, 1]),
        ("[1. 0.]", [1.0, 0.0]),
        ("('a', 'b')", ["a", "b"]),
        ("{'b', 'a'}", ["a", "b"]),
        ("set()", []),
        ("[]", []),
        ("[nan, None, null, true]", [None, None, None, True]),
        ("[array(['a', 'b'], dtype=object), 'array(x)']", [["a", "b"], "array(x)"]),
        ('[{"a": "日本"}]', [{"a": "日本"}]),
        (repr(TURNS), TURNS),
        (str(np.array(TURNS, dtype=object)), TURNS),
        ("{'a': 1}", {"a": 1}),
    ],
)
def test_lists_that_are_written_out(written: str, meant: object) -> None:
    assert structure(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "(笑) いい", "[A]", "[1' 2]", "['it's]", "[", "3", '"a"', "(1)",
        "[__import__('os').getcwd()]", "['a' + 'b']", "[" * 100_000,
    ],
)  # fmt: skip
def test_texts_that_are_no_lists_are_texts(text: str) -> None:
    assert structure(text) is None


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, 1), (False, 0), (3, 3), (0.5, 0.5), (Decimal("2.5"), 2.5), (None, 0),
        (float("nan"), 0), ("", 0), (" ", 0), ("nan", 0), ("#N/A", 0), ("1", 1), ("１", 1),
        ("1.0", 1), ("-2", -2), ("TRUE", 1), ("False", 0), ("○", 1), ("×", 0), ("✔️", 1),
        ("はい", 1), ("なし", 0), ("-", 0), ("x", None), ("強い", None), ("1,5", None),
        ("1_0", None), ("inf", None), (float("inf"), None), ([1], None),
    ],
)  # fmt: skip
def test_amounts(value: object, meant: float | None) -> None:
    assert amount(value) == meant


def test_single_values_as_text() -> None:
    assert [as_text(v) for v in ("a", 3, 1.5, True, False)] == ["a", "3", "1.5", "true", "false"]
    assert as_text(Decimal("1.10")) == "1.10"
    assert as_text(datetime.date(2024, 5, 1)) == "2024-05-01"
    assert [as_text(v) for v in (None, float("nan"), [1], {"a": 1})] == [None] * 4
    assert is_missing(float("nan"))
    assert not is_missing("nan")
