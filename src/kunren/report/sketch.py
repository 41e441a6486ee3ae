"""A chart for the terminal, drawn with letters."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.report.comparison import Plot, Point

WIDTH, HEIGHT = 48, 11
"""Characters that the points are spread over."""


def sketch(plot: Plot) -> list[str]:
    """The points of a plot as letters on a grid, and below which letter is which run.

    A point that falls on another's place stands beside it.
    """
    if not plot.points:
        return []
    grid = [[" "] * (WIDTH + 3) for _ in range(HEIGHT)]
    columns = _places([p.x for p in plot.points], WIDTH)
    rows = _places([p.y for p in plot.points], HEIGHT)
    for point, column, row in zip(plot.points, columns, rows, strict=True):
        _write(grid[HEIGHT - 1 - row], column, point.letter + ("★" if point.best else ""))
    tops = (max(p.y for p in plot.points), min(p.y for p in plot.points))
    ends = [_number(value, plot.shares[1]) for value in tops]
    margin = max(map(len, ends))
    sides = [ends[0], *[""] * (HEIGHT - 2), ends[1]]
    lines = [f"{plot.y} ↑"]
    lines += [
        f"{side:>{margin}} │ {''.join(cells).rstrip()}"
        for side, cells in zip(sides, grid, strict=True)
    ]
    left, right = (_number(f(p.x for p in plot.points), plot.shares[0]) for f in (min, max))
    lines.append(f"{'':>{margin}} └{'─' * (WIDTH + 2)}→ {plot.x}")
    lines.append(f"{'':>{margin}}   {left}{right:>{max(WIDTH - len(left), len(right) + 1)}}")
    lines += [_legend(point) for point in plot.points]
    return lines


def _legend(point: Point) -> str:
    return f"  {point.letter}{' ★' if point.best else '  '} {point.name}"


def _places(values: Sequence[float], size: int) -> list[int]:
    """Each value's place among ``size`` of them, from the lowest to the highest value."""
    low, high = min(values), max(values)
    if low == high:
        return [size // 2] * len(values)
    return [round((value - low) / (high - low) * (size - 1)) for value in values]


def _write(cells: list[str], column: int, mark: str) -> None:
    """Put a mark where it belongs, or at the next free place."""
    need = len(mark)
    for start in [*range(column, len(cells) - need + 1), *range(column, -1, -1)]:
        if all(cell == " " for cell in cells[start : start + need]):
            cells[start : start + need] = list(mark)
            return


def _number(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.2f}"
