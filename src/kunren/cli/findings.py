"""Findings on the terminal and in Markdown, as ``kunren check`` and ``kunren doctor`` show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kunren.cli.console import paragraph, show, show_styled
from kunren.config import patch
from kunren.doctor.remarks import SEVERITIES, Remark, by_reason, remarks
from kunren.messages import text

_COLOUR = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def show_findings(found: Mapping[str, Any]) -> None:
    """Print what was found, the gravest first, then what could not be looked at, and the count.

    Args:
        found: as ``examine`` gives it.
    """
    for remark in remarks(found["findings"]):
        show("")
        _show_remark(remark)
    show("")
    if found["skipped"]:
        paragraph(text("doctor.skipped-title") + ":", style="dim")
        for reason, slugs in by_reason(found["skipped"]).items():
            said = text("doctor.skipped", slugs=", ".join(slugs), reason=reason)
            paragraph(said, "  ", style="dim")
        show("")
    paragraph(summary(found))


def _show_remark(remark: Remark) -> None:
    grade = remark.severity
    head = f"{remark.finding['slug']} ({remark.finding['code']})"
    name = text(f"doctor.severity-{grade}")
    show_styled((name, _COLOUR[grade]), "  ", (head, "bold"))
    paragraph(remark.message, "  ")
    for line in _further(remark):
        paragraph(line, "  ")


def _further(remark: Remark, code: str = "{}") -> Iterator[str]:
    """Below a remark: its change of the config, and which rules say the same."""
    if remark.fix:
        yield text("doctor.fix-set", changes=code.format(options(remark.fix)))
    if remark.also:
        named = ", ".join(f"{one['slug']} ({one['code']})" for one in remark.also)
        yield text("doctor.also", slugs=named)


def markdown_findings(found: Mapping[str, Any]) -> list[str]:
    """The same as lines of Markdown."""
    from kunren.report.format import markdown as escaped

    lines = [summary(found), ""]
    for remark in remarks(found["findings"]):
        name = text(f"doctor.severity-{remark.severity}")
        lines += [f"### {name}: {remark.finding['slug']} ({remark.finding['code']})", ""]
        lines += [escaped(remark.message), ""]
        for line in _further(remark, "`{}`"):
            lines += [line, ""]
    if found["skipped"]:
        lines += [f"### {text('doctor.skipped-title')}", ""]
        lines += [
            f"- {', '.join(f'`{slug}`' for slug in slugs)}: {escaped(reason)}"
            for reason, slugs in by_reason(found["skipped"]).items()
        ]
    return lines


def summary(found: Mapping[str, Any]) -> str:
    """How many findings of which severity, and what became of the other rules."""
    grades = [remark.severity for remark in remarks(found["findings"])]
    return text(
        "doctor.summary" if grades else "doctor.summary-none",
        findings=len(grades),
        quiet=len(found["quiet"]),
        skipped=len(found["skipped"]),
        **{grade: grades.count(grade) for grade in SEVERITIES},
    )


def options(fix: Mapping[str, Any]) -> str:
    """A change of the config as options of ``kunren run`` and ``kunren check``."""
    return patch.options(fix["set"])


def all_options(findings: Sequence[Mapping[str, Any]]) -> str:
    """The changes of all findings that are read; of one key the gravest finding's value."""
    merged: dict[str, Any] = {}
    for remark in remarks(findings):
        for key, value in ((remark.fix or {}).get("set") or {}).items():
            merged.setdefault(key, value)
    return options({"set": merged})
