"""``eval_metrics.json`` read back and put into words: names, values, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.evaluation import labels as one_label
from kunren.evaluation.metric import Unit
from kunren.messages import language, text


def is_baseline(system: str) -> bool:
    """Whether a system is something trivial; base, tuned and its other decodings are not."""
    return system not in ("base", "tuned") and not system.startswith("tuned_")


def primary(metrics: Mapping[str, Any]) -> str:
    """The metric that verdicts rest on. A file without this key is of one label an item."""
    name: str = metrics.get("primary", one_label.KIND.primary)
    return name


def headline(metrics: Mapping[str, Any]) -> Sequence[str]:
    """The metrics of the short table that some system has a value of."""
    names: Sequence[str] = metrics.get("headline", one_label.KIND.headline)
    systems = metrics["systems"].values()
    known = [n for n in names if any(s.get(n, {}).get("value") is not None for s in systems)]
    return known or names


def compared(metrics: Mapping[str, Any]) -> Sequence[str]:
    """The metrics that systems were compared on."""
    names: Sequence[str] = metrics.get("compared", one_label.KIND.compared)
    return names


def shown(metrics: Mapping[str, Any]) -> list[str]:
    """All metrics, those of the short table first."""
    first = headline(metrics)
    scored = {name for scores in metrics["systems"].values() for name in scores}
    known = metrics.get("metrics", [n for n in one_label.METRICS if n in scored])
    return [*first, *(n for n in known if n not in first)]


def unit(metrics: Mapping[str, Any], metric: str) -> Unit:
    """What the values of a metric are; a file that does not say it is of one label an item."""
    known = one_label.METRICS[metric].unit if metric in one_label.METRICS else "share"
    found: Unit = metrics.get("metrics", {}).get(metric, {}).get("unit", known)
    return found


def find_pair(
    metrics: Mapping[str, Any], b: str, metric: str | None = None
) -> dict[str, Any] | None:
    """The comparison of tuned with ``b``, if it was made; ``metric`` None: by the primary one.

    Of tuned, or of what the file says was compared with all others.
    """
    wanted = (metrics.get("subject", "tuned"), b, metric or primary(metrics))
    made: Iterable[dict[str, Any]] = metrics["paired"]
    return next((p for p in made if (p["a"], p["b"], p["metric"]) == wanted), None)


def best_baseline(metrics: Mapping[str, Any], metric: str | None = None) -> str | None:
    """The baseline with the highest value; the first of equals, None where none was scored.

    By the primary metric, if none is named.
    """
    by = metric or primary(metrics)
    values = {
        system: scores[by]["value"]
        for system, scores in metrics["systems"].items()
        if is_baseline(system) and scores[by]["value"] is not None
    }
    return max(values, key=lambda system: values[system]) if values else None


def system_name(system: str, metrics: Mapping[str, Any] | None = None) -> str:
    """What a system is called to the user; a name the catalogue does not know is its own.

    Args:
        system: its key in ``systems``.
        metrics: the file it is in, which says what "base" is; None: the untuned model.
    """
    if system == "base" and (metrics or {}).get("base") == "probe":
        return text("evaluate.system-probe")
    if system.startswith("tuned_"):
        return text("evaluate.system-tuned-otherwise", name=system.removeprefix("tuned_"))
    try:
        return text(f"evaluate.system-{system}")
    except KeyError:
        return system


def metric_name(metric: str) -> str:
    """What a metric is called to the user, within a sentence."""
    name, _, level = metric.partition("_level")
    said = text(f"evaluate.metric-{name}")
    return text("evaluate.metric-at-level", metric=said, level=level) if level else said


def percent(share: float) -> str:
    """0.456 → ``45.6 %``."""
    return f"{_rounded(100 * share, 1):.1f} %"


def _rounded(value: float, digits: int) -> float:
    """Rounded, and without the sign of a zero: of a value just below 0 no "-0.0" is shown."""
    return round(value, digits) + 0.0


def number(value: float, of: Unit = "share") -> str:
    """A value of a metric: ``45.6 %``, ``26.9`` points, a count (``16``, ``0.35``) or ``0.456``."""
    if of == "share":
        return percent(value)
    if of == "points":
        return f"{_rounded(value, 1):.1f}"
    if of == "coefficient":
        return f"{_rounded(value, 3):.3f}"
    return f"{value + 0.0:.0f}" if value == round(value) else f"{_rounded(value, 2):.2f}"


def gap(difference: float, of: Unit = "share") -> str:
    """A difference, with its sign and without the unit: of shares in percentage points."""
    if of == "count":
        return signed(difference, 2)
    if of == "coefficient":
        return signed(difference, 3)
    return signed(100 * difference if of == "share" else difference, 1)


def signed(value: float, digits: int) -> str:
    """A number with its sign, which of a zero is always ``+``."""
    return f"{_rounded(value, digits):+.{digits}f}"


def cell(score: Mapping[str, Any] | None, of: Unit = "share") -> str:
    """A score for a table: ``45.6 % [30.1, 60.9]``; a dash where there is none."""
    if score is None or score["value"] is None:
        return "—"
    said = number(score["value"], of)
    if score["ci95"] is None:
        return said
    low, high = (number(end, of).removesuffix(" %") for end in score["ci95"])
    return f"{said} [{low}, {high}]"


def p_value(p: float) -> str:
    """``p = 0.034``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def judged_p(pair: Mapping[str, Any]) -> str:
    """The p value that the verdict of a comparison rests on, named as corrected where it was."""
    p, alone = pair.get("p_holm", pair["p"]), pair["p"]
    return p_value(p) if p == alone else text("evaluate.corrected-p", p=p_value(p))


def _within(name: str) -> str:
    """A metric's name where Japanese has no space before it: Latin letters get one."""
    return f" {name}" if language() == "ja" and name[0].isascii() else name


def verdict_sentence(metrics: Mapping[str, Any]) -> str:
    """One sentence: tuned against the untuned model, and against the best trivial baseline.

    Args:
        metrics: what ``evaluate`` returned, or ``eval_metrics.json`` read back.
    """
    by = primary(metrics)
    of = unit(metrics, by)
    tuned = metrics["systems"].get("tuned", {}).get(by)
    if tuned is None or tuned["value"] is None:
        return text("evaluate.verdict-none")
    untuned = metrics.get("base", "model")
    fields: dict[str, object] = {
        "rows": metrics["rows"],
        "metric": _within(metric_name(by)),
        "tuned": number(tuned["value"], of),
        "base_name": text(f"evaluate.base-{untuned}"),
    }
    kinds = []
    for role, system in (("base", "base"), ("trivial", best_baseline(metrics))):
        pair = find_pair(metrics, system) if system else None
        if pair is None or system is None:
            kinds.append("absent")
            continue
        other = number(metrics["systems"][system][by]["value"], of)
        fields |= {
            role: text(f"evaluate.base-{untuned}-value", value=other) if role == "base" else other,
            f"{role}_name": fields.get(f"{role}_name") or system_name(system),
            f"{role}_gap": gap(pair["difference"], of),
            f"{role}_p": judged_p(pair),
        }
        kinds.append(pair["verdict"])
    return text(f"evaluate.verdict-{kinds[0]}-{kinds[1]}", **fields)
