"""What the data tells: parts of conversations that the model is not given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kunren.data.shapes import TOOLS
from kunren.doctor.evidence import Finding
from kunren.doctor.reading import TurnReading
from kunren.doctor.rules.wording import joined, listed
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Row

Rows = Mapping[str, Sequence[Row]]

_NAMED = 8


@dataclass(frozen=True, slots=True)
class _Counts:
    """In how many rows there is what.

    Attributes:
        reasoning: thoughts before an answer.
        calls: calls of tools beside the text of an answer.
        steps: calls that lead to an answer, and what the tools gave back.
        tools: definitions of tools.
        keys: other fields of a message, by name.
        systems: different system prompts.
        total: rows.
    """

    reasoning: int
    calls: int
    steps: int
    tools: int
    keys: Mapping[str, int]
    systems: int
    total: int


def unread_keys(raw: Rows, turns_read: TurnReading) -> Finding | None:
    """Parts of conversations are not given to the model.

    会話の中に、モデルに渡らない部分があります。

    何を見るか:
        メッセージに書かれた思考 (`reasoning_content`)、ツールの呼び出しと結果、ツールの定義、
        そのほかのフィールド (`name` や `refusal` など) のうち、このモデルと課題では学習にも
        入力にも使わないものを、行の数とともに挙げます。行ごとに違う system プロンプトを
        読まないモデルも挙げます。

    なぜ問題か:
        大切な情報がそこにあると、モデルは根拠を見ずに答えだけを覚えます。使われるものと
        思っていると、結果の読み方を誤ります。

    例:
        検索の結果を見て答える会話から結果が抜けると、モデルは検索せずに数字を答えることを
        学びます。思考つきのデータで学習しても、テンプレートが思考を知らないモデルは考える
        ようになりません。

    対処:
        必要なものは `content` の文に書き入れるか、それを読むテンプレートのモデルを選んで
        ください。要らないものなら、そのままで構いません。

    What it sees:
        Reasoning in messages (`reasoning_content`), calls of tools and what they gave back,
        definitions of tools, and other fields (`name`, `refusal`), as far as this model and task
        neither train on them nor read them, with the number of rows. Also system prompts that
        differ from row to row, of models that do not read any.

    Why it matters:
        Where what matters stands there, the model learns the answer without its grounds; and who
        believes that it is used reads the results wrongly.

    For example:
        Without what a search gave back, a model learns to answer with numbers that it never saw.
        Trained on data with reasoning, a model whose template has no place for it does not learn
        to reason.

    What to do:
        Write what is needed into `content`, or take a model whose template reads it. What is not
        needed can stay.
    """
    return _finding(_counts(raw), turns_read)


def unread_keys_of_data(raw: Rows) -> Finding | None:
    """The same where the model is not known yet: what no model is given."""
    return _finding(_counts(raw), TurnReading(reasoning=True, tools=True, system=True))


def _counts(raw: Rows) -> _Counts:
    rows = [row for side in raw.values() for row in side]
    keys: Counter[str] = Counter()
    for row in rows:
        keys.update({name for message in row.messages for name in message.unread})
    return _Counts(
        reasoning=sum(any(m.reasoning for m in row.messages) for row in rows),
        calls=sum(any(m.calls and m.is_answer for m in row.messages) for row in rows),
        steps=sum(
            any(m.role == "tool" or (m.calls and not m.is_answer) for m in row.messages)
            for row in rows
        ),
        tools=sum(
            row.chat and any(row.fields.get(name, "").strip("[] ") for name in TOOLS)
            for row in rows
        ),
        keys=keys,
        systems=len({m.content for row in rows for m in row.messages if m.role == "system"}),
        total=len(rows),
    )


def _finding(found: _Counts, read: TurnReading) -> Finding | None:
    grave, parts = [], []
    if found.reasoning and not read.reasoning:
        grave.append(text("rules_data.unread-keys-reasoning", rows=found.reasoning))
    if found.calls:
        grave.append(text("rules_data.unread-keys-calls", rows=found.calls))
    if found.steps and not read.tools:
        grave.append(text("rules_data.unread-keys-steps", rows=found.steps))
    if found.systems > 1 and not read.system:
        grave.append(text("rules_data.unread-keys-system", kinds=found.systems))
    if found.steps and read.tools:
        parts.append(text("rules_data.unread-keys-steps-read", rows=found.steps))
    if found.tools:
        parts.append(text("rules_data.unread-keys-tools", rows=found.tools))
    if found.keys:
        named = sorted(found.keys.items(), key=lambda pair: (-pair[1], pair[0]))[:_NAMED]
        shown = listed(f"{excerpt(name)} ({rows})" for name, rows in named)
        parts.append(text("rules_data.unread-keys-others", names=shown))
    if not grave and not parts:
        return None
    evidence = {
        "rows": found.total, "reasoning": found.reasoning, "calls": found.calls,
        "steps": found.steps, "tools": found.tools, "keys": dict(found.keys),
        "systems": found.systems,
    }  # fmt: skip
    said = joined([*grave, *parts, text("rules_data.unread-keys-advice")])
    return Finding("warning" if grave else "info", said, evidence)
