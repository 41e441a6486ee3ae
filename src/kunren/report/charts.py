"""Pictures of a run: loss curve, labels, calibration, confusion. PNG bytes, the same each time.

matplotlib is used through its objects alone, without pyplot's global state, and with the Japanese
font that matplotlib-fontja brings, so that no font of the machine matters.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib_fontja
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

from kunren.config.schema import LOWER_IS_BETTER
from kunren.evaluation.statistics import exact_interval
from kunren.evaluation.told import metric_name, percent, system_name
from kunren.messages import text
from kunren.records.predictions import Predicted
from kunren.records.trainlog import Epoch
from kunren.report.comparison import Plot
from kunren.report.course import POINTS
from kunren.report.format import clip, emoji_name

TRAIN, VALIDATION = "#9aa7b8", "#1f6feb"
GOLD, TUNED = "#9aa7b8", "#1f6feb"
DPI = 144

KEPT = "#d1242f"
COLOURS = ("#1f6feb", "#e8710a", "#1a7f4b", "#8250df", "#bf3989", "#57606a")

FEW_LABELS = 12
"""With more labels than this a confusion of the upper level is worth a chart of its own."""

MOST_LABELS = 30
"""A chart with more labels than this cannot be read."""

MOST_CHARACTERS = 32
"""Of a run's name in a chart."""

TOP = 20
"""Labels of the frequency chart where there are more than that."""


P = ParamSpec("P")
R = TypeVar("R")


def _styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw with our font: matplotlib decides on fonts when a text is made."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context({"font.family": _font_family(), "font.size": 10}):
            return draw(*args, **kwargs)

    return drawn


@_styled
def loss_curve(
    log: Sequence[Mapping[str, float | None]], epochs: Sequence[Epoch], best: int | None
) -> bytes | None:
    """Training loss by step, evaluation loss by epoch, and the epoch whose weights were kept."""
    steps = [(e, v) for row in log if (e := row.get("epoch")) and _finite(v := row.get("loss"))]
    evaluated = [
        (e.number, e.evaluation["eval_loss"])
        for e in epochs
        if _finite(e.evaluation.get("eval_loss"))
    ]
    if not steps and not evaluated:
        return None
    figure, axes = _figure(7.2, 3.8)
    if steps:
        axes.plot(*zip(*steps, strict=True), color=TRAIN, lw=1.2, label=text("record.train-loss"))
    if evaluated:
        axes.plot(
            *zip(*evaluated, strict=True),
            color=VALIDATION,
            lw=2,
            marker="o",
            label=text("record.validation-loss"),
        )
    kept = dict(evaluated).get(best or 0)
    if best is not None and kept is not None:
        axes.plot([best], [kept], "o", ms=13, mfc="none", mec=KEPT, mew=2)
        axes.annotate(
            text("record.best-epoch-mark", epoch=best),
            (best, kept),
            textcoords="offset points",
            xytext=(0, 14),
            ha="center",
            color=KEPT,
        )
    axes.set_xlabel(text("record.epoch"))
    axes.set_ylabel(text("record.loss"))
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return _png(figure)


@_styled
def metric_curves(epochs: Sequence[Epoch], names: Sequence[str], best: int | None) -> bytes | None:
    """The metrics measured on the validation rows by epoch, in percent or points."""
    curves = {
        name: [
            (e.number, value * (1 if name in POINTS else 100))
            for e in epochs
            if _finite(value := e.evaluation.get(f"eval_{name}", math.nan))
        ]
        for name in names
    }
    if not any(curves.values()):
        return None
    figure, axes = _figure(7.2, 3.8)
    for number, (name, curve) in enumerate(curves.items()):
        axes.plot(
            *zip(*curve, strict=True),
            color=COLOURS[number % len(COLOURS)],
            lw=2,
            ls="--" if name in LOWER_IS_BETTER else "-",
            marker="o",
            ms=4,
            label=metric_name(name),
        )
    if best is not None:
        axes.axvline(best, color=KEPT, lw=1, ls=":")
        axes.annotate(
            text("record.best-epoch-mark", epoch=best),
            (best, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            xytext=(0, 4),
            ha="center",
            color=KEPT,
        )
    axes.set_xlabel(text("record.epoch"))
    axes.set_ylabel(text("record.percent-or-points"))
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _png(figure)


@_styled
def pareto(plot: Plot) -> bytes | None:
    """Runs by accuracy and diversity; those that no other run beats stand out and are joined."""
    if not plot.points:
        return None
    figure, axes = _figure(7.2, 4.4)
    across, up = (100 if share else 1 for share in plot.shares)
    best = sorted((p.x * across, p.y * up) for p in plot.points if p.best)
    axes.plot(*zip(*best, strict=True), color=VALIDATION, lw=1.2, ls="--", zorder=1)
    for point in plot.points:
        axes.scatter(
            point.x * across,
            point.y * up,
            s=130 if point.best else 60,
            marker="*" if point.best else "o",
            color=VALIDATION if point.best else TRAIN,
            zorder=2,
        )
        axes.annotate(
            drawable(point.name, MOST_CHARACTERS),
            (point.x * across, point.y * up),
            textcoords="offset points",
            xytext=(0, 9),
            ha="center",
            fontsize=9,
        )
    for name, share, label in zip(
        (plot.x, plot.y), plot.shares, (axes.set_xlabel, axes.set_ylabel), strict=True
    ):
        label(f"{name} (%)" if share else name)
    axes.margins(0.18)
    return _png(figure)


@_styled
def label_frequency(
    gold: Mapping[str, int], said: Mapping[str, int], labels: Sequence[str]
) -> bytes | None:
    """How often each label stands in gold, and how often the tuned model answers it.

    Of many labels those that are the commonest in one or the other: a label that the model answers
    to everything is shown even if gold hardly has it.

    Args:
        gold: label → how often.
        said: the same of the tuned model.
        labels: the closed set.
    """
    if not said:
        return None
    of_gold, of_said = Counter(gold), Counter(said)
    known = {*labels, *of_gold}
    order = sorted(known, key=lambda x: (-max(of_gold[x], of_said[x]), x))
    most = MOST_LABELS if len(known) <= MOST_LABELS else TOP
    shown = sorted(order[:most], key=lambda x: (-of_gold[x], -of_said[x], x))
    figure, axes = _figure(7.2, 1.2 + 0.3 * len(shown))
    place = np.arange(len(shown))
    pairs = ((-0.2, of_gold, GOLD, "gold"), (0.2, of_said, TUNED, "predicted"))
    for shift, counts, colour, name in pairs:
        axes.barh(
            place + shift,
            [counts[x] for x in shown],
            0.38,
            color=colour,
            label=text(f"record.{name}"),
        )
    axes.set_yticks(place, [drawable(label) for label in shown])
    axes.invert_yaxis()
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(text("record.test-items"))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return _png(figure)


@_styled
def score_distribution(rows: Sequence[Predicted]) -> bytes | None:
    """How the scores of the answers, in points, are spread, before training and after."""
    counted = {system: in_tenths(rows, system) for system in ("base", "tuned")}
    if not counted["tuned"]:
        return None
    bins = np.linspace(0, 100, 11)
    figure, axes = _figure(7.2, 3.4)
    for system, shift, colour in (("base", -2, GOLD), ("tuned", 2, TUNED)):
        if counts := counted[system]:
            axes.bar(bins[:-1] + 5 + shift, counts, 3.8, color=colour, label=system_name(system))
    axes.set_xticks(bins)
    axes.set_xlabel(metric_name("chrf"))
    axes.set_ylabel(text("record.test-items"))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return _png(figure)


def in_tenths(rows: Sequence[Predicted], system: str) -> list[int]:
    """How many of a system's answers have a score in each tenth of 0 to 100 points; [] of none."""
    scores = [
        said.score
        for row in rows
        if (said := row.systems.get(system)) is not None and said.score is not None
    ]
    counts, _ = np.histogram(scores, np.linspace(0, 100, 11))
    return [int(count) for count in counts] if scores else []


@_styled
def reliability(bins: Sequence[Mapping[str, Any]], error: float | None) -> bytes | None:
    """How often answers are right, by how probable the tuned model calls them.

    Below the diagonal the model is too sure. Beside each bar stands the exact 95 % interval of its
    accuracy, so that a bin of three answers is not taken for more than that; the lower half shows
    how many answers there are.

    Args:
        bins: ``calibration.tuned`` of ``eval_metrics.json``.
        error: the expected calibration error.
    """
    if not bins or error is None:
        return None
    figure = Figure(figsize=(5.4, 5.8), layout="constrained", dpi=DPI)
    axes, below = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    width = [found["hi"] - found["lo"] for found in bins]
    middle = [(found["lo"] + found["hi"]) / 2 for found in bins]
    right = np.array([found["accuracy"] for found in bins])
    axes.bar(middle, right, [0.9 * w for w in width], color=TUNED, alpha=0.35)
    counts = [found["count"] for found in bins]
    hits = [round(found["accuracy"] * found["count"]) for found in bins]
    ends = np.array([exact_interval(h, n) for h, n in zip(hits, counts, strict=True)]).T
    at = [found["confidence"] for found in bins]
    axes.errorbar(
        at,
        right,
        yerr=abs(ends - right),
        fmt="o",
        color=TUNED,
        ecolor=TRAIN,
        capsize=3,
        label=text("record.bin-accuracy"),
    )
    axes.plot([0, 1], [0, 1], color=KEPT, lw=1, ls="--", label=text("record.diagonal"))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=metric_name("accuracy"))
    axes.set_title(
        text("record.chart-ece", ece=percent(error), count=sum(counts)), loc="left", fontsize=10
    )
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), fontsize=9)
    bars = below.bar(middle, counts, [0.9 * w for w in width], color=GOLD)
    below.bar_label(bars, fontsize=8)
    below.set(xlabel=text("record.confidence"), ylabel=text("record.answers-count"))
    below.margins(y=0.3)
    below.yaxis.get_major_locator().set_params(integer=True)
    for part in (axes, below):
        part.spines[["top", "right"]].set_visible(False)
    return _png(figure)


@_styled
def confusion(cells: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> bytes | None:
    """Gold against predicted label of the tuned model; the most confused labels if there are many.

    Args:
        cells: ``confusion.tuned`` of ``eval_metrics.json``.
        labels: the closed set.
    """
    known = [cell for cell in cells if cell["predicted"] is not None]
    if not known:
        return None
    wrong: Counter[str] = Counter()
    for cell in known:
        if cell["gold"] != cell["predicted"]:
            wrong.update({cell["gold"]: cell["count"], cell["predicted"]: cell["count"]})
    present = {cell[side] for cell in known for side in ("gold", "predicted")}
    names = [label for label in (*labels, *sorted(present - {*labels})) if label in present]
    if len(names) > MOST_LABELS:
        worst = {label for label, _ in wrong.most_common(MOST_LABELS)}
        names = [label for label in names if label in worst] or names[:MOST_LABELS]
    index = {label: n for n, label in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for cell in known:
        if cell["gold"] in index and cell["predicted"] in index:
            table[index[cell["gold"]], index[cell["predicted"]]] += cell["count"]
    side = 2.4 + 0.3 * len(names)
    figure, axes = _figure(side, side)
    axes.imshow(table, cmap="Blues", vmin=0, vmax=max(1.0, table.max()))
    for row, column in np.argwhere(table > 0):
        dark = table[row, column] > table.max() / 2
        axes.text(
            column,
            row,
            f"{table[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )
    shown = [drawable(label) for label in names]
    axes.set_xticks(range(len(names)), shown, rotation=90)
    axes.set_yticks(range(len(names)), shown)
    axes.set_xlabel(text("record.predicted"))
    axes.set_ylabel(text("record.gold"))
    axes.spines[:].set_visible(False)
    return _png(figure)


def drawable(label: str, most: int = 14) -> str:
    """The label if the font has all its characters, else its emoji name, else escaped."""
    if all(ord(c) in _characters() for c in label):
        return clip(label, most).replace("$", r"\$")
    name = emoji_name(label)
    if name is not None:
        return clip(name, most)
    kept = "".join(c if ord(c) in _characters() else f"U+{ord(c):04X}" for c in label)
    return clip(kept, most).replace("$", r"\$")


@cache
def _font_family() -> str:
    path = matplotlib_fontja.get_font_ttf_path()
    font_manager.fontManager.addfont(path)
    return str(font_manager.FontProperties(fname=path).get_name())


@cache
def _characters() -> frozenset[int]:
    font = font_manager.get_font(matplotlib_fontja.get_font_ttf_path())
    return frozenset(font.get_charmap())


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=DPI)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format="png", metadata={"Software": None})
    return held.getvalue()
