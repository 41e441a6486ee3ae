from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.tiny_families import (
    ITEMS,
    LABELS,
    make_bert,
    make_gemma,
    make_t5,
    opened,
)

from kunren.evaluation import speed
from kunren.models import make_family
from kunren.models.meter import count, counting
from kunren.progress import Silent
from kunren.types import Item

CPU = torch.device("cpu")


def test_nothing_is_counted_outside_and_counters_do_not_mix() -> None:
    count(read=5)
    with counting() as outer:
        count(read=1, written=2)
        with counting() as inner:
            count(read=10)
        count(read=1)
    assert (outer.read, outer.written) == (2, 2)
    assert (inner.read, inner.written) == (10, 0)


@pytest.mark.parametrize(
    ("name", "make"), [("causal", make_gemma), ("seq2seq", make_t5), ("encoder", make_bert)]
)
def test_every_family_counts_what_it_reads_and_writes(name: str, make: Any, tmp_path: Path) -> None:
    family = make_family(name, opened(make, tmp_path)[1])
    prompts = sum(map(len, family.prompts(ITEMS)))
    with Silent().stage("", None) as bar, counting() as chosen:
        family.predict(ITEMS, LABELS if name == "encoder" else ("笑顔", "本"), 1, bar)
    assert chosen.written == 0
    assert chosen.read >= prompts
    if name == "encoder":
        assert chosen.read == prompts
        return
    with Silent().stage("", None) as bar, counting() as written:
        family.generate(ITEMS, 5, 3, bar)
    assert written.read == prompts
    assert len(ITEMS) <= written.written <= 5 * len(ITEMS)


def test_rows_tokens_and_memory_of_what_was_done() -> None:
    items = [*ITEMS, Item("again", ITEMS[0].row_id, ITEMS[0].context, "")]
    kept: list[torch.Tensor] = []

    def ask() -> str:
        count(read=30, written=10)
        kept.append(torch.ones(256 * 2**20 // 4))
        time.sleep(0.05)
        return "said"

    said, found = speed.timed(ask, items, CPU)
    assert said == "said"
    assert found["rows"] == len(ITEMS)  # two turns of one row are one row
    assert found["seconds"] >= 0.05
    assert found["rows_per_second"] == pytest.approx(len(ITEMS) / found["seconds"], rel=0.02)
    assert found["tokens_per_second"] == pytest.approx(40 / found["seconds"], rel=0.02)
    assert found["device"] == "cpu"
    assert found["peak_memory_bytes"] > 256 * 2**20
    if found["memory_kind"] == "process-peak":  # begun anew: what was let go does not count
        kept.clear()
        _, after = speed.timed(lambda: None, items, CPU)
        assert after["peak_memory_bytes"] < found["peak_memory_bytes"] - 64 * 2**20


def test_a_system_without_a_resettable_peak_says_what_its_figure_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(speed, "_OWN", tmp_path / "not-linux")
    _, found = speed.timed(lambda: None, ITEMS, CPU)
    assert found["memory_kind"] == "process-peak-ever"
    assert found["peak_memory_bytes"] > 2**20
