"""What held-out rows have in common with the rows that are trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kunren.data.near import Near, NearPair, pairs_of
from kunren.errors import Problem
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Row

_SHOWN = 5
_NAMES = {"validation": "data.side-validation", "test": "data.side-test"}


@dataclass(frozen=True, slots=True)
class Overlap:
    """What the rows of one side have in common with the training rows.

    Rows of one file are split so that this is next to nothing; rows in files of their own are as
    the user made them.

    Attributes:
        rows: how many rows the side has.
        near: its rows that are near-duplicates of training rows (``data.near``), each once.
        groups: the groups (``data.fields.group``) that have rows on both sides.
    """

    rows: int
    near: tuple[NearPair, ...] = field(repr=False)
    groups: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Counts and examples, the most alike first, for the record."""
        pairs = sorted(self.near, key=lambda pair: -pair.similarity)[:_SHOWN]
        return {
            "rows": self.rows,
            "near_duplicates": len(self.near),
            "examples": [
                {
                    "row": pair.second.id,
                    "train": pair.first.id,
                    "similarity": round(pair.similarity, 3),
                }
                for pair in pairs
            ],
            "groups": len(self.groups),
            "group_examples": list(self.groups[:_SHOWN]),
        }


def overlap(
    found: Near, places: Mapping[str, int], train: Sequence[Row], held_out: Sequence[Row]
) -> Overlap:
    """Compare a side with the training rows.

    Args:
        found: the near-duplicates among all rows.
        places: a row's id → where it stands among the rows that ``found`` is of.
        train: the training rows.
        held_out: the rows of the side.
    """
    trained, others = (
        (rows, [found.forms[places[row.id]] for row in rows]) for rows in (train, held_out)
    )
    groups = {row.group for row in train if row.group is not None}
    shared = sorted({row.group for row in held_out if row.group is not None} & groups)
    return Overlap(len(held_out), tuple(pairs_of(found, trained, others)), tuple(shared))


def warnings(overlaps: Mapping[str, Overlap]) -> list[Problem]:
    """What to tell of it, one warning a side and kind.

    Args:
        overlaps: "validation" and "test" → what they have in common with the training rows.
    """
    told = []
    for side, one in overlaps.items():
        if one.near:
            pairs = sorted(one.near, key=lambda pair: -pair.similarity)[:2]
            said: dict[str, object] = {
                "side": text(_NAMES[side]),
                "count": len(one.near),
                "rows": one.rows,
                "examples": "\n  ".join(_example(pair) for pair in pairs),
            }
            told.append(Problem("data.near-in-training", None, said))
        if one.groups:
            named = excerpt("、".join(one.groups[:_SHOWN]), 80)
            said = {"side": text(_NAMES[side]), "count": len(one.groups), "groups": named}
            told.append(Problem("data.groups-in-training", None, said))
    return told


def _example(pair: NearPair) -> str:
    return " ≒ ".join(f"{row.where}「{_asked(row)}」" for row in (pair.second, pair.first))


def _asked(row: Row) -> str:
    said = "".join(m.content for m in row.messages if m.role == "user")
    return excerpt(said, 40)
