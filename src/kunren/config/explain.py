"""What pydantic found, in our words."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from kunren.config.document import KeyPath, scalar
from kunren.config.keys import allowed_range, choices, section_of, walk
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt
from kunren.types import Where

_WANTED = {
    "int": "want-int",
    "float": "want-number",
    "finite": "want-number",
    "string": "want-string",
    "bool": "want-bool",
    "tuple": "want-list",
    "model": "want-section",
}
_RANGES = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def explain(
    error: ValidationError, values: Mapping[str, Any], places: Mapping[KeyPath, Where], path: str
) -> list[Problem]:
    """One problem for each value that is wrong.

    Args:
        error: what pydantic raised on ``values``.
        values: what was validated.
        places: where each value was written.
        path: the file, for what was not written anywhere.
    """
    found: dict[KeyPath, Problem] = {}
    for detail in error.errors():
        at = _real(detail, values)
        # A union complains once for each of its members: the first complaint is enough, and one
        # about a part of the value says more than one about the whole.
        found.setdefault(at, _problem(detail, at, values, places, Where(path)))
    wrong = set(found)
    return [
        problem
        for at, problem in found.items()
        if not any(len(other) > len(at) and other[: len(at)] == at for other in wrong)
    ]


def _real(detail: ErrorDetails, values: Mapping[str, Any]) -> KeyPath:
    """The error's place without the names that pydantic gives to members of a union."""
    here: Any = values
    real: list[str | int] = []
    for part in detail["loc"]:
        inside = isinstance(here, dict) and part in here
        listed = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if inside or listed:
            here = here[part]
            real.append(part)
    if detail["type"] == "missing":
        real.append(detail["loc"][-1])
    return tuple(real)


def _problem(
    detail: ErrorDetails,
    at: KeyPath,
    values: Mapping[str, Any],
    places: Mapping[KeyPath, Where],
    top: Where,
) -> Problem:
    where = next((places[at[:n]] for n in range(len(at), 0, -1) if at[:n] in places), top)
    dotted = ".".join(str(part) for part in at if isinstance(part, str))
    info = dict(walk()).get(dotted)
    value = _value(values, at)
    said: dict[str, object] = {"key": dotted, "value": excerpt(_as_yaml(value), 40)}
    kind = detail["type"]
    if kind == "missing":
        return Problem("config.missing", where, said)
    if kind == "value_error":
        return Problem(f"config.{detail['ctx']['error']}", where, said)
    if value is None and info is not None and section_of(info.annotation) is None:
        return Problem("config.no-value", where, said)
    if isinstance(value, str) and _is_wide_number(value) and kind.startswith(("int", "float")):
        said["wanted"] = unicodedata.normalize("NFKC", value).strip()
        return Problem("config.fullwidth-value", where, said)
    if kind == "literal_error" and info is not None:
        return _choice(info, value, where, said)
    if kind in _RANGES and info is not None:
        said["range"] = allowed_range(dotted.rpartition(".")[2], info)
        return Problem("config.out-of-range", where, said)
    if kind == "string_pattern_mismatch":
        return Problem("config.bad-name", where, said)
    if kind == "string_too_long":
        return Problem("config.name-too-long", where, said | {"max": detail["ctx"]["max_length"]})
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted is not None:
        return Problem(f"config.{wanted}", where, said)
    return Problem("config.bad-value", where, said | {"detail": detail["msg"]})


def _choice(info: FieldInfo, value: object, where: Where, said: dict[str, object]) -> Problem:
    allowed = choices(info.annotation)
    said["allowed"] = " / ".join(allowed)
    near = nearest(value, allowed) if isinstance(value, str) else None
    if near is None:
        return Problem("config.bad-choice", where, said)
    return Problem("config.bad-choice-near", where, said | {"meant": near})


def _value(values: Mapping[str, Any], at: KeyPath) -> Any:
    here: Any = values
    for part in at:
        inside = isinstance(here, dict) and part in here
        if not inside and not isinstance(here, list):
            return None
        here = here[part]
    return here


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_wide_number(value: str) -> bool:
    narrow = unicodedata.normalize("NFKC", value).strip()
    return narrow != value and isinstance(scalar(narrow), int | float)
