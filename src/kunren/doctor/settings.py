"""The section ``doctor`` of a config, against the rules that there are."""

from __future__ import annotations

from collections.abc import Iterator

from kunren.config.schema import DoctorConfig
from kunren.doctor.engine import thresholds
from kunren.doctor.table import BY_SLUG
from kunren.errors import Problem
from kunren.nearest import nearest


def check(config: DoctorConfig) -> list[Problem]:
    """Rules and thresholds that the section names and that do not exist."""
    return [*_rules(config), *_thresholds(config)]


def _rules(config: DoctorConfig) -> Iterator[Problem]:
    for slug in config.ignore:
        if slug not in BY_SLUG:
            yield _unknown(f"doctor.ignore.{slug}", slug, list(BY_SLUG))


def _thresholds(config: DoctorConfig) -> Iterator[Problem]:
    for key in config.thresholds:
        slug, _, name = key.partition(".")
        place = f"doctor.thresholds.{key}"
        if slug not in BY_SLUG:
            yield _unknown(place, slug, list(BY_SLUG))
        elif name not in (known := thresholds(BY_SLUG[slug])):
            yield _unknown(place, name, list(known))


def _unknown(place: str, said: str, known: list[str]) -> Problem:
    near = nearest(said, known)
    code = "doctor.unknown-name" if near is None else "doctor.unknown-name-near"
    fields: dict[str, object] = {"key": place, "name": said, "near": near}
    return Problem(code, None, fields | {"known": " / ".join(known) or "—"})
