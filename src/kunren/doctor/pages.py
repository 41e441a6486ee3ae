"""The rule pages of ``docs/rules/``, made from the rules' docstrings.

A docstring's first line is the title in English, its second paragraph that in Japanese. Then come
the sections of ``JAPANESE`` and ``ENGLISH``, each a heading with a colon and an indented text in
Markdown.

``python -m kunren.doctor.pages docs/rules`` writes them; a test sees that they are up to date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kunren.doctor.engine import thresholds
from kunren.doctor.table import RULES, Rule

JAPANESE = ("何を見るか", "なぜ問題か", "例", "対処")
ENGLISH = ("What it sees", "Why it matters", "For example", "What to do")

_HEADING = re.compile(rf"^({'|'.join((*JAPANESE, *ENGLISH))}):\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """A rule's page.

    Attributes:
        title: in English.
        title_ja: in Japanese.
        sections: heading → text.
    """

    title: str
    title_ja: str
    sections: Mapping[str, str]


def page(rule: Rule) -> Page:
    """Read a rule's docstring.

    Raises:
        ValueError: it has no page, or a section of it is missing.
    """
    said = inspect.getdoc(rule.load()) or ""
    head, *parts = _HEADING.split(said)
    titles = [paragraph.strip() for paragraph in head.split("\n\n") if paragraph.strip()]
    sections = {
        name: inspect.cleandoc(text) for name, text in zip(parts[::2], parts[1::2], strict=True)
    }
    missing = [name for name in (*JAPANESE, *ENGLISH) if not sections.get(name)]
    if missing or len(titles) != 2:
        raise ValueError(f"{rule.slug}: its page lacks {missing or 'a title in one language'}")
    return Page(titles[0].rstrip("."), titles[1].rstrip("。"), sections)


def markdown(rule: Rule) -> str:
    """A rule's page, Japanese first."""
    told = page(rule)
    lines = [f"# {told.title_ja} (`{rule.slug}`, {rule.code})", ""]
    for name in JAPANESE:
        lines += [f"## {name}", "", told.sections[name], ""]
    if limits := thresholds(rule):
        lines += [
            "## しきい値 / Thresholds",
            "",
            "設定の `doctor.thresholds` で、理由を添えて変えられます "
            "(can be changed in the config, with a reason):",
            "",
            "```yaml",
            "doctor:",
            "  thresholds:",
            *(
                f"    {rule.slug}.{name}: {{value: {value:g}, reason: …}}"
                for name, value in limits.items()
            ),
            "```",
            "",
        ]
    lines += [f"# {told.title}", ""]
    for name in ENGLISH:
        lines += [f"## {name}", "", told.sections[name], ""]
    return "\n".join(lines)


def index(rules: Iterable[Rule] = RULES) -> str:
    """The list of all rules."""
    lines = [
        "# kunren doctor の規則 / The rules of kunren doctor",
        "",
        "| コード | 名前 | 見つけるもの | What it finds |",
        "|---|---|---|---|",
    ]
    for rule in rules:
        told = page(rule)
        link = f"[`{rule.slug}`]({rule.slug}.md)"
        lines.append(f"| {rule.code} | {link} | {told.title_ja} | {told.title} |")
    return "\n".join([*lines, ""])


def write(folder: Path) -> None:
    """Write the index and all pages, and remove pages of rules that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"README.md": index()} | {f"{rule.slug}.md": markdown(rule) for rule in RULES}
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
