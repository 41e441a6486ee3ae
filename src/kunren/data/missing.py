"""Words that stand where a value is missing.

``nan`` and ``#N/A`` are written by programs alone: as a text or a label they are no value.
``None`` and ``-`` may be a class or an answer that someone chose; they stay, and are told.
"""

from __future__ import annotations

import re

WRITTEN_BY_PROGRAMS = frozenset(
    {
        # pandas, NumPy, R, databases
        "nan", "NaN", "NAN", "-nan", "-NaN", "<NA>", "NaT", "1.#IND", "-1.#IND", "1.#QNAN",
        "-1.#QNAN", "\\N", "[object Object]",
        # spreadsheets
        "#N/A", "#N/A N/A", "#NA", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!",
        "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#ERROR!",
        "#GETTING_DATA", "#BUSY!", "Err:502", "Err:504", "Err:508", "Err:509", "Err:511",
    }
)  # fmt: skip

PERHAPS_MISSING = frozenset(
    {
        "None", "NONE", "none", "NULL", "Null", "null", "NIL", "nil", "NA", "N/A", "n/a", "N.A.",
        "-", "--", "---", "―", "—", "undefined", "(null)", "(blank)", "(空白)", "?", "？",
    }
)  # fmt: skip

_LONGEST = 40
"""Characters that such a word has at most, with spaces around it."""

_TOO_NARROW = re.compile(r"#{4,}")
"""What Excel exports of a date in a column that was too narrow to show it."""


def is_missing(value: str) -> bool:
    """Whether a program wrote this in place of a value."""
    if len(value) > _LONGEST:
        return False
    word = value.strip()
    return word in WRITTEN_BY_PROGRAMS or _TOO_NARROW.fullmatch(word) is not None


def may_be_missing(value: str) -> bool:
    """Whether this is a word that may be meant as "no value", and may be a value."""
    return len(value) <= _LONGEST and value.strip() in PERHAPS_MISSING
