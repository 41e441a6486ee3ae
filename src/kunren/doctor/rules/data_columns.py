"""What the data tells: columns that nothing reads, and rows that differ in nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import regex

from kunren.data import audit
from kunren.data.columns import holds_words
from kunren.data.normalize import normalize
from kunren.doctor.evidence import Finding
from kunren.doctor.rules.wording import joined, listed, places, quoted, share
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Row

Rows = Mapping[str, Sequence[Row]]

SOME = 0.01
MANY = 0.05
"""Shares of rows that differ in such a column alone: worth knowing, and worth a change."""

LONG = 10
"""Mean characters of a column of sentences."""

SEPARATOR = " / "
"""Between two texts for a model that reads no instructions. Many tokenizers of encoders drop line
breaks, and a special token that stands in a text is none."""

_PLAIN = "{text}"
_LONGEST = 30

_NO_NAME = regex.compile(r"[{}\[\].:!]|^\s|\s$")
"""What no name in a template may have."""
_PEOPLE = regex.compile(
    r"annotat|labell?er|rater|worker|review(?:er|ed)|担当|作業者|評価者|判定者|注釈者|アノテ|記入者",
    regex.IGNORECASE,
)
"""Names of columns of who gave the answer: with it nothing could be predicted."""


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column that nothing reads tells apart.

    Attributes:
        groups: rows that are alike but for it, each group in the order of its rows.
        differing: those of them with different answers, each value of the column with one.
        words: whether it holds words, not codes.
        sentences: whether it holds sentences.
        various: whether many rows have one of their own.
    """

    name: str
    groups: list[list[Row]]
    differing: list[list[Row]]
    words: bool
    sentences: bool
    various: bool

    @property
    def rows(self) -> int:
        """Rows with different answers that nothing but this column tells apart."""
        return sum(map(len, self.differing))

    @property
    def alike(self) -> int:
        """Rows that nothing but this column tells apart."""
        return sum(map(len, self.groups))


def unread_columns(
    rows: Rows,
    raw: Rows,
    unread: Sequence[str],
    config: Mapping[str, Any],
    *,
    some: float = SOME,
    many: float = MANY,
) -> Finding | None:
    """Rows differ only in a column that is not read.

    読んでいない列だけが違う行があります。

    何を見るか:
        本文、答え、system、テンプレートのどれにも使わない列のうち、文か分類の入ったもの。
        モデルが読む部分は同じで、その列だけが違う行を数え、答えも違うものを先に知らせます。
        そういう行がなくても、文の列を読んでいなければ参考として挙げます。番号や日時だけの
        列は見ません。

    なぜ問題か:
        モデルには同じ行に見えるので、答えが違えば必ずどちらかを外し、答えが同じなら同じ行を
        何度も学習します。2 つの文の関係を問う課題で片方しか読まないと、もう片方を見なくても
        当たる癖だけを覚えます。

    例:
        前提 (`premise`) と仮説 (`hypothesis`) の組から含意を答えるデータで、
        `data.fields.text: hypothesis` とだけ書き、前提を読んでいなかった。

    対処:
        `task.template` に両方の列を書いてください (例:
        `task.template: "前提: {premise} 仮説: {text}"`)。答えを見てから書いた列 (理由や注釈)
        なら、読ませると答えが漏れるので、そのままにします。

    What it sees:
        Columns with texts or categories that are neither text, answer nor system prompt and that
        the template does not name. Rows that are the same in all that the model reads and differ
        there are counted, first those with different answers. A column of sentences that is not
        read is told in any case. Numbers and dates are not looked at.

    Why it matters:
        To the model they are one row: with different answers one of them is always wrong, with the
        same answer it is trained on again and again. Where two sentences are to be compared and one
        is not read, only habits are learnt that need no comparison.

    For example:
        Pairs of `premise` and `hypothesis` were to be judged, but the config said
        `data.fields.text: hypothesis` and nothing read the premise.

    What to do:
        Name both columns in `task.template` (such as
        `task.template: "premise: {premise} hypothesis: {text}"`). A column that was written with
        the answer in view, such as a reason, would give it away: leave that as it is.
    """
    everything = audit.everything(raw)
    alike = _alike(rows, everything)
    columns = [_column(name, everything, alike) for name in unread if _tells(name, everything)]
    found = max(
        columns,
        key=lambda one: (one.words and one.rows > 0, one.rows, one.alike, one.sentences),
        default=None,
    )
    if found is None:
        return None
    total = len(everything)
    known = {"column": excerpt(found.name, _LONGEST), "total": total}
    evidence: dict[str, Any] = {
        "columns": [one.name for one in columns],
        "column": found.name,
        "rows": total,
        "differ": found.rows,
        "alike": found.alike,
    }
    if found.rows >= max(2.0, some * total):
        kind, count = "differ", found.rows
    elif found.sentences and found.various and found.alike >= max(2.0, some * total):
        kind, count = "alike", found.alike
    elif sentences := [c.name for c in columns if c.sentences and c.various]:
        said = text("rules_data.unread-columns-sentences", columns=listed(map(excerpt, sentences)))
        return Finding("info", joined([said, text("rules_data.unread-columns-advice")]), evidence)
    else:
        return None
    group = max(found.differing if kind == "differ" else found.groups, key=len)
    said = text(
        f"rules_data.unread-columns-{kind}",
        **known,
        count=count,
        differ=text("rules_data.unread-columns-some", count=found.rows) if found.rows else "",
        share=share(count / total),
        example=_example(found.name, group),
        places=places(group),
    )
    severe = count >= many * total
    template = _template(found, everything, config) if severe else None
    fix = None if template is None else {"set": {"task.template": template}}
    parts = [said, text(f"rules_data.unread-columns-{'pair' if fix else 'advice'}")]
    return Finding("warning" if severe else "info", joined(parts), evidence, fix)


def _alike(rows: Rows, everything: Sequence[Row]) -> list[list[Row]]:
    """The rows, as they stand in their file, that are the same in all that the model is asked."""
    read = {row.id: row for row in audit.everything(rows)}
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in everything:
        messages = read.get(row.id, row).messages
        key = tuple(f"{m.role}\0{normalize(m.content)}" for m in messages if m.role != "assistant")
        found.setdefault(key, []).append(row)
    return [group for group in found.values() if len(group) > 1]


def _column(name: str, everything: Sequence[Row], alike: Sequence[list[Row]]) -> _Column:
    groups = [group for group in alike if len({_value(name, row) for row in group}) > 1]
    differing = [
        group
        for group in groups
        if len({_answers(row) for row in group}) > 1
        and len({_value(name, row) for row in group})
        == len({(_value(name, row), _answers(row)) for row in group})
    ]
    values = [value for row in everything if (value := _value(name, row))]
    full = 2 * len(values) >= len(everything)
    words = full and holds_words(values)
    sentences = words and mean(map(len, values)) >= LONG
    return _Column(name, groups, differing, words, sentences, 5 * len(set(values)) >= len(values))


def _tells(name: str, everything: Sequence[Row]) -> bool:
    """Whether a column holds texts or categories, and not a number or a date of each row.

    One that is but the number of the answer tells nothing of the row.
    """
    values = [value for row in everything if (value := _value(name, row))]
    different = set(values)
    if len(different) < 2:
        return False
    few = 2 * len(different) <= len(values)
    return holds_words(values) or (few and not _names_answer(name, everything))


def _names_answer(name: str, everything: Sequence[Row]) -> bool:
    """Whether a short value of a column stands for each answer, and an answer for each value."""
    pairs = {(value, _answers(row)) for row in everything if (value := _value(name, row))}
    values, answers = {value for value, _ in pairs}, {answer for _, answer in pairs}
    return len(pairs) == len(values) == len(answers) and mean(map(len, values)) < LONG


def _value(name: str, row: Row) -> str:
    return normalize(row.fields.get(name, ""))


def _answers(row: Row) -> tuple[str, ...]:
    return tuple(normalize(m.content) for m in row.messages if m.role == "assistant")


def _example(name: str, group: Sequence[Row]) -> str:
    """``「文」: premise「…」→ neutral / premise「…」→ entailment``."""
    first = group[0]
    others = [row for row in group if _value(name, row) != _value(name, first)]
    other = next((row for row in others if _answers(row) != _answers(first)), others[0])
    asked = "".join(m.content for m in first.messages if m.role == "user")
    pairs = [
        text(
            "rules_data.unread-columns-example",
            column=excerpt(name, _LONGEST),
            value=quoted([row.fields.get(name, "")]),
            answer=excerpt(row.messages[-1].content, _LONGEST),
        )
        for row in (first, other)
    ]
    return f"{quoted([asked])}: {' / '.join(pairs)}"


def _template(found: _Column, everything: Sequence[Row], config: Mapping[str, Any]) -> str | None:
    """A prompt template with the column beside what is read; None where none is of use."""
    name = found.name
    fits = not _NO_NAME.search(name) and name not in ("text", "labels")
    if (
        not found.words
        or not fits
        or _PEOPLE.search(name)
        or _names_answer(name, everything)
        or any(row.chat for row in everything)
    ):
        return None
    if any(not row.fields.get(name) for row in everything):
        return None
    written = (config.get("task") or {}).get("template") or _PLAIN
    if written != _PLAIN:
        return f"{written}\n{name}: {{{name}}}"
    named = ((config.get("data") or {}).get("fields") or {}).get("text", "text")
    order = list(everything[0].fields)
    parts = [(named.replace("{", "").replace("}", ""), _PLAIN), (name, f"{{{name}}}")]
    if named in order and order.index(name) < order.index(named):
        parts.reverse()
    if (config.get("model") or {}).get("family") in ("encoder", "seq2seq"):
        return SEPARATOR.join(place for _, place in parts)
    return "\n".join(f"{said}: {place}" for said, place in parts)
