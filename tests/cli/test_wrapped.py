from __future__ import annotations

import pytest
from rich.cells import cell_len

from kunren.cli.wrapped import wrapped

SAID = (
    "検証損失はエポック 2 の 1.4859 からエポック 4 の 1.7931 に上がりましたが (+21 %)、正解率は"
    " 24.0 % から 36.0 % に良くなっています「偶然を超える差」。train.loss.class_weights: balanced"
    " も比べてください。"
)


@pytest.mark.parametrize("width", [30, 41, 56, 80, 120])
def test_lines_fit_and_nothing_is_lost(width: int) -> None:
    lines = list(wrapped(SAID, width, "  "))
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.startswith("  ") and line == line.rstrip() for line in lines)
    assert "".join(lines).replace(" ", "") == SAID.replace(" ", "")
    for line in lines:
        assert line.strip()[0] not in "、。」)%"
        assert line[-1] not in "「("


def test_words_keys_and_percentages_stay_whole() -> None:
    for width in range(36, 90):
        lines = list(wrapped(SAID, width))
        assert any("train.loss.class_weights:" in line for line in lines)
        assert any("+21 %" in line for line in lines)


def test_a_word_longer_than_the_line_stands_alone() -> None:
    long = "evaluate.decoding.repetition_penalty_that_is_long"
    assert long in list(wrapped(f"次は {long} です。", 30))


def test_line_breaks_are_kept() -> None:
    assert list(wrapped("一行目。\n二行目。", 80, "  ")) == ["  一行目。", "  二行目。"]
    assert list(wrapped("", 80)) == [""]
