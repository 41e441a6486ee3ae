"""What to try first where the findings of one run each ask for another change of its config.

One training has one main fault, and several rules see its symptoms, each from its side: a model
that answers the same to everything may have been trained too briefly, too slowly or too fast.
Bringing all their patches together would undo the one that cures. So patches that say the same are
one cure, others stand each for itself, and they come in the order in which they are likely and in
which the one before must hold for the next to tell anything:

1. what was seen in data, config or model before training: it is wrong whatever the training shows;
2. numbers that are not finite, then a loss that diverged: nothing else can be read off such a run;
3. a warm-up that ended too late: the learning rate that was asked for was never tried;
4. longer training, which rules offer only where the loss still fell when it ended;
5. another learning rate: a guess, where the loss did not move;
6. shorter training, which spares time where the best weights are kept anyway;
7. everything else (other labels, other limits).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kunren.doctor.fixes import GRAVE, PROTECTED, Merged, at, merge
from kunren.doctor.table import DATA, MODEL

BEFORE = frozenset(rule.slug for rule in (*DATA, *MODEL))
"""Slugs of the rules that look before training."""

_BROKEN = ("non-finite", "zero-loss")
_DIVERGED = ("loss-spikes", "divergence", "exploding")

_KNOWN, _SHORTER = 0, 6


def cures(
    findings: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any],
    known: Collection[str] = BEFORE,
    severities: Sequence[str] = GRAVE,
    protected: Mapping[str, str] = PROTECTED,
) -> list[Merged]:
    """The changes that are worth trying, each by itself, the likeliest first.

    Args:
        findings: as ``examine`` gives them, the gravest first.
        config: the config that they change, as plain values.
        known: slugs of the rules that look before training.
        severities: those of the findings that count.
        protected: keys that stay, and why (see ``fixes.PROTECTED``).

    Returns:
        Without those that change nothing. What was refused stands in the first.
    """
    grouped: dict[tuple[object, ...], list[Mapping[str, Any]]] = {}
    for finding in findings:
        patch = (finding.get("fix") or {}).get("set") or {}
        if not patch:
            continue
        rank = _rank(finding, patch, config, known)
        ways = () if rank == _KNOWN else tuple(sorted(_way(k, v, config) for k, v in patch.items()))
        grouped.setdefault((rank, ways), []).append(finding)
    ordered = [grouped[key] for key in sorted(grouped, key=lambda key: int(str(key[0])))]
    made = [merge(found, config, severities, protected) for found in _joined(ordered, known)]
    refused = tuple(one for merged in made for one in merged.refused)
    left = [merged for merged in made if merged.changes]
    if not left:
        return [Merged((), refused)] if refused else []
    return [Merged(left[0].changes, refused), *(Merged(one.changes) for one in left[1:])]


def _joined(
    ordered: list[list[Mapping[str, Any]]], known: Collection[str]
) -> list[list[Mapping[str, Any]]]:
    """The same; what was seen before training is one with later cures that say the same or more."""
    if not ordered or ordered[0][0]["slug"] not in known:
        return ordered
    first, *others = ordered
    wanted = _patches(first).items()
    first = [
        *first,
        *(one for later in others if _patches(later).items() <= wanted for one in later),
    ]
    left = [later for later in others if not _patches(later).items() <= wanted]
    for number, later in enumerate(left):
        if wanted <= _patches(later).items():
            return [[*first, *later], *left[:number], *left[number + 1 :]]
    return [first, *left]


def _patches(findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {key: repr(value) for one in findings for key, value in one["fix"]["set"].items()}


def reconciled(
    findings: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any],
    known: Collection[str] = BEFORE,
) -> tuple[Merged, list[Merged]]:
    """What to change now, and what to try afterwards if that does not help.

    Now: all that was wrong before training, and the likeliest of what training shows.
    """
    found = cures(findings, config, known)
    slugs = set(known)
    now = found[:1]
    if found and all(slugs.issuperset(change.slugs) for change in found[0].changes):
        now = found[:2]
    changes = {change.key: change for one in reversed(now) for change in one.changes}
    refused = tuple(one for merged in found[:1] for one in merged.refused)
    return Merged(tuple(changes.values()), refused), found[len(now) :]


def _rank(
    finding: Mapping[str, Any],
    patch: Mapping[str, Any],
    config: Mapping[str, Any],
    known: Collection[str],
) -> int:
    slug = finding["slug"]
    if slug in known:
        return _KNOWN
    if slug in _BROKEN:
        return 1
    if slug in _DIVERGED:
        return 2
    if "train.warmup" in patch:
        return 3
    ways = {key: _way(key, value, config)[1] for key, value in patch.items()}
    if ways.get("train.epochs", 0) > 0 or "train.early_stopping.patience" in patch:
        return 4
    if "train.learning_rate" in patch:
        return 5
    return _SHORTER if ways.get("train.epochs", 0) < 0 else 7


def _way(key: str, value: object, config: Mapping[str, Any]) -> tuple[str, int]:
    """A key, and whether its value is raised (1), lowered (-1), or neither can be said (0)."""
    old = at(config, key)
    numbers = isinstance(old, int | float) and isinstance(value, int | float)
    if not numbers or isinstance(old, bool) or isinstance(value, bool):
        return key, 0
    return key, (value > old) - (value < old)
