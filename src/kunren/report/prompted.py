"""The untuned model with more in its prompt, and how fast each system answered, for the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kunren.evaluation.told import number, percent, system_name
from kunren.messages import text
from kunren.report.format import Table


def notes(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What was put into the prompts, how well it was found, and what could not be had, and why."""
    for name, facts in metrics.get("prompted", {}).items():
        if "reason" in facts:
            system = system_name(name, metrics)
            yield text(f"record.prompted-none-{facts['reason']}", system=system)
            continue
        used = {int(count): items for count, items in facts["used"].items()}
        if set(used) <= {0}:
            yield text("record.prompted-none-room", system=system_name(name, metrics))
            continue
        asked = facts["asked"]
        yield text(f"record.prompted-{name}", count=asked, passages=facts.get("passages"))
        if min(used) < asked:
            mean = sum(count * items for count, items in used.items()) / sum(used.values())
            yield text(
                "record.prompted-fewer",
                system=system_name(name, metrics),
                least=min(used),
                most=max(used),
                mean=number(mean, "count"),
            )
        if facts.get("hit_rate") is not None:
            yield text(
                "record.prompted-hits",
                items=facts["items_with_numbers"],
                found=facts["found"],
                rate=percent(facts["hit_rate"]),
                there=facts["in_documents"],
            )


def speed(metrics: Mapping[str, Any]) -> Table | None:
    """Rows and tokens a second, and memory, of each system that a model answered."""
    measured: Mapping[str, Mapping[str, Any]] = metrics.get("speed", {})
    if not measured:
        return None
    columns = [
        text("record.system"),
        *(text(f"record.speed-{name}") for name in ("rows", "tokens", "seconds", "memory")),
        text("record.speed-batch"),
        text("record.speed-device"),
    ]
    rows = [
        [
            system_name(name, metrics),
            f"{of['rows_per_second']:.1f}",
            f"{of['tokens_per_second']:,.0f}",
            f"{of['seconds']:.1f}",
            _memory(of["peak_memory_bytes"]),
            str(of["batch_size"]),
            str(of["device"]).upper(),
        ]
        for name in metrics["systems"]
        if (of := measured.get(name)) is not None
    ]
    marked = [
        n
        for n, name in enumerate(s for s in metrics["systems"] if s in measured)
        if name == "tuned"
    ]
    return Table(columns, rows, "lrrrrrl", frozenset(marked))


def _memory(peak: int | None) -> str:
    return "—" if peak is None else f"{peak / 2**30:.2f} GiB"


def speed_said(metrics: Mapping[str, Any]) -> str | None:
    """What the columns of ``speed`` mean; the memory is of another kind on each device."""
    measured = metrics.get("speed", {})
    if not measured:
        return None
    kinds = dict.fromkeys(of["memory_kind"] for of in measured.values())
    memory = "".join(text(f"record.speed-memory-{kind}") for kind in kinds)
    return text("record.speed-said", memory=memory)
