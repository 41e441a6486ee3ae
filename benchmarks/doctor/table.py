"""The table of what was found, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.doctor import peer
from benchmarks.doctor.case import MOMENTS, Fault, Healthy
from benchmarks.doctor.measure import Outcome

Measured = Sequence[tuple[Fault | Healthy, Outcome]]


def on_time(fault: Fault, outcome: Outcome) -> bool:
    """Whether a fault was named at the earliest moment at which it can be known."""
    first = outcome.first(fault.slugs)
    return first is not None and MOMENTS.index(first) <= MOMENTS.index(fault.earliest)


def named_by(fault: Fault, outcome: Outcome) -> list[str]:
    """The rules that named a fault at the first moment."""
    first = outcome.first(fault.slugs)
    return [] if first is None else [s for s in fault.slugs if s in outcome.told[first]]


def as_json(measured: Measured) -> dict[str, Any]:
    """All that was told, and the sums."""
    faults, healthy = _apart(measured)
    return {
        "peer": peer.version(),
        "sums": sums(measured),
        "faults": [
            {
                "name": fault.name, "planted": fault.planted, "slugs": fault.slugs,
                "earliest": fault.earliest, "first": one.first(fault.slugs),
                "named_by": named_by(fault, one), "peer_names_it": _peer_names(fault, one),
                **_told(one),
            }
            for fault, one in faults
        ],
        "healthy": [{"name": run.name, "about": run.about, **_told(one)} for run, one in healthy],
    }  # fmt: skip


def _told(one: Outcome) -> dict[str, Any]:
    return {
        "told": one.told, "peer": one.peer, "ended": one.ended, "seconds": round(one.seconds, 1),
        "messages": one.messages,
    }  # fmt: skip


def _apart(
    measured: Measured,
) -> tuple[list[tuple[Fault, Outcome]], list[tuple[Healthy, Outcome]]]:
    faults = [(case, one) for case, one in measured if isinstance(case, Fault)]
    return faults, [(case, one) for case, one in measured if isinstance(case, Healthy)]


def _peer_names(fault: Fault, one: Outcome) -> list[str]:
    return peer.names(one.peer or (), fault.slugs)


def sums(measured: Measured) -> Mapping[str, Any]:
    """Numbers of faults and of healthy runs, and how many of them each tool got right."""
    faults, healthy = _apart(measured)
    there = peer.version() is not None
    logged = [(fault, one) for fault, one in faults if one.peer is not None]
    return {
        "faults": len(faults),
        "found": sum(one.first(fault.slugs) is not None for fault, one in faults),
        "at_the_earliest_moment": sum(on_time(fault, one) for fault, one in faults),
        "peer_found": sum(bool(_peer_names(*pair)) for pair in faults) if there else None,
        "peer_had_a_log": len(logged) if there else None,
        "healthy": len(healthy),
        "false_criticals": sum(bool(one.of("critical")) for _, one in healthy),
        "with_warnings": sum(bool(one.of("warning")) for _, one in healthy),
        "peer_false_criticals": _peer_with(healthy, "critical") if there else None,
        "peer_with_warnings": _peer_with(healthy, "warning") if there else None,
        "seconds": round(sum(one.seconds for _, one in measured)),
    }


def _peer_with(healthy: Sequence[tuple[Healthy, Outcome]], severity: str) -> int:
    return sum(any(found["severity"] == severity for found in one.peer or ()) for _, one in healthy)


def markdown(measured: Measured) -> str:
    """Both tables and a line of sums."""
    faults, healthy = _apart(measured)
    parts = []
    if faults:
        rows = [_fault_row(fault, one) for fault, one in faults]
        parts.append(_table(
            ("fault", "planted", "can be known", "kunren", "by", "finetune-doctor"), rows
        ))  # fmt: skip
    if healthy:
        runs = [_healthy_row(run, one) for run, one in healthy]
        parts.append(_table(
            ("healthy run", "what", "critical", "warnings", "finetune-doctor"), runs
        ))  # fmt: skip
    return "\n\n".join([*parts, _sentence(sums(measured))]) + "\n"


def _fault_row(fault: Fault, one: Outcome) -> tuple[str, ...]:
    first = one.first(fault.slugs)
    when: str = "**not found**" if first is None else first
    if first is not None and not on_time(fault, one):
        when = f"**{first}**"
    if one.ended == "crashed":
        when += " (kunren crashed)"
    return (
        fault.name, fault.planted, fault.earliest, when,
        ", ".join(f"`{slug}`" for slug in named_by(fault, one)) or "–", _by_peer(fault, one),
    )  # fmt: skip


def _by_peer(fault: Fault, one: Outcome) -> str:
    if peer.version() is None:
        return "not installed"
    if one.peer is None:
        return "– (no log)"
    return ", ".join(f"`{check}`" for check in _peer_names(fault, one)) or "no"


def _healthy_row(run: Healthy, one: Outcome) -> tuple[str, ...]:
    crash = ["**kunren crashed**"] if one.ended == "crashed" else []
    told = [f"{found['check']} ({found['severity']})" for found in one.peer or ()]
    said = "not installed" if peer.version() is None else ", ".join(told) or "–"
    return (
        run.name, run.about,
        ", ".join(crash + [f"**{slug}**" for slug in one.of("critical")]) or "–",
        ", ".join(one.of("warning")) or "–", said,
    )  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _sentence(total: Mapping[str, Any]) -> str:
    there = total["peer_found"] is not None
    parts = []
    if total["faults"]:
        peers = f"{total['peer_found']} of {total['faults']}" if there else "not installed"
        parts.append(
            f"Faults: {total['found']} of {total['faults']} found, "
            f"{total['at_the_earliest_moment']} at the earliest moment; finetune-doctor: {peers}."
        )
    if total["healthy"]:
        peers = (
            f"{total['peer_false_criticals']} critical, {total['peer_with_warnings']} with warnings"
            if there
            else "not installed"
        )
        parts.append(
            f"Healthy runs: {total['false_criticals']} of {total['healthy']} called critical, "
            f"{total['with_warnings']} with warnings; finetune-doctor: {peers}."
        )
    return " ".join(parts)
