"""How fast a system answered, and how much memory that took. Never part of what is compared."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from kunren.models.meter import counting
from kunren.types import Item

T = TypeVar("T")

MemoryKind = Literal["cuda-peak", "mps-now", "process-peak", "process-peak-ever"]
"""What a memory figure is: the most that torch held on the GPU while the system answered; what it
held there at the end; the most that the whole process held in that time, weights and libraries
included; or since the process began, training included, where the system keeps no other count."""

_OWN = Path("/proc/self")


def timed(
    ask: Callable[[], T], items: Sequence[Item], device: torch.device
) -> tuple[T, dict[str, Any]]:
    """Do ``ask`` and measure it.

    Args:
        ask: answers the items. Let it answer one before: the first call allocates and compiles.
        items: what is asked.
        device: where the model is.

    Returns:
        What ``ask`` returned, and ``eval_metrics.json``'s ``speed`` of one system: ``rows``,
        ``seconds``, ``rows_per_second``, ``tokens_read`` and ``tokens_written`` (see ``Tokens``),
        ``tokens_per_second`` (both), ``peak_memory_bytes`` (None where it cannot be had),
        ``memory_kind``, ``device``.
    """
    begun = time.perf_counter()
    with counting() as tokens:
        said, memory = watched(ask, device)
    seconds = time.perf_counter() - begun
    rows = len({item.row_id for item in items})
    return said, {
        "rows": rows,
        "seconds": round(seconds, 3),
        "rows_per_second": rows / seconds,
        "tokens_read": tokens.read,
        "tokens_written": tokens.written,
        "tokens_per_second": (tokens.read + tokens.written) / seconds,
        **memory,
        "device": device.type,
    }


def watched(do: Callable[[], T], device: torch.device) -> tuple[T, dict[str, Any]]:
    """Do something and see how much memory that takes.

    Returns:
        What ``do`` returned, and ``peak_memory_bytes`` (None where it cannot be had) with
        ``memory_kind``.
    """
    kind = _start(device)
    done = do()
    return done, {"peak_memory_bytes": _peak(device, kind), "memory_kind": kind}


def together(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The speeds of several folds as one: rows, tokens and seconds summed, the highest memory."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for system, one in part.items():
            if system not in found:
                found[system] = dict(one)
                continue
            both = found[system]
            for name in ("rows", "seconds", "tokens_read", "tokens_written"):
                both[name] += one[name]
            peaks = [p for p in (both["peak_memory_bytes"], one["peak_memory_bytes"]) if p]
            both["peak_memory_bytes"] = max(peaks, default=None)
            tokens = both["tokens_read"] + both["tokens_written"]
            both["rows_per_second"] = both["rows"] / both["seconds"]
            both["tokens_per_second"] = tokens / both["seconds"]
    return found


def _start(device: torch.device) -> MemoryKind:
    """Begin to watch the memory; returns what there will be to read."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return "cuda-peak"
    if device.type == "mps":
        return "mps-now"
    try:
        (_OWN / "clear_refs").write_text("5", encoding="ascii")  # Linux: begin VmHWM anew
    except OSError:
        return "process-peak-ever"
    return "process-peak"


def _peak(device: torch.device, kind: MemoryKind) -> int | None:
    if kind == "cuda-peak":
        return int(torch.cuda.max_memory_allocated(device))
    if kind == "mps-now":
        return int(torch.mps.current_allocated_memory())
    if kind == "process-peak":
        lines = (_OWN / "status").read_text(encoding="ascii", errors="replace").splitlines()
        found = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        return None if found is None else int(found) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) if sys.platform == "darwin" else int(most) * 1024
