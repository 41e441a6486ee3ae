"""What the data tells: control tokens of models in the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from kunren.data import audit, marks
from kunren.doctor.evidence import Finding
from kunren.doctor.rules.wording import counted, joined, places
from kunren.messages import text
from kunren.types import Message, Row

Rows = Mapping[str, Sequence[Row]]

MANY = 0.05
"""Share of rows from which on marks are how the data was made, not what someone wrote about."""


def control_tokens(rows: Rows, *, many: float = MANY) -> Finding | None:
    """Texts hold control tokens of models.

    モデルの制御トークンが文に書かれています。

    何を見るか:
        チャットの印 (`<start_of_turn>`、`<|im_end|>`、`[INST]`、末尾の `</s>` など)、
        `<extra_id_0>`、`[SEP]`、`[MASK]` などが書かれた行と、`<think>` で思考過程を
        書いた行。どのモデルの印かは問いません。

    なぜ問題か:
        チャットの印は、学習時にテンプレートが付けます。データにもあると印が二重になり、
        答えの印をモデルに文字として書かせることになります。kunren は文の中の印を文字
        として読むため、会話の区切りにはなりません。

    例:
        質問と答えに `<start_of_turn>` と `<end_of_turn>` を手で付けたデータで学習すると、
        正しい答えも正解と一致しませんでした。

    対処:
        `data.strip_marks: true` で、読み込むときにチャットの印を除きます。思考過程は
        `messages` の `reasoning_content` に分けると、対応するモデルで学習できます。

    What it sees:
        Rows with marks of chats (`<start_of_turn>`, `<|im_end|>`, `[INST]`, a `</s>` at the end),
        with `<extra_id_0>`, `[SEP]`, `[MASK]` and the like, of whatever model, and rows that write
        their reasoning between `<think>` and `</think>`.

    Why it matters:
        The chat template puts marks around turns. Where the data has them too they are there
        twice, and the model learns to write those of the answers as text. In texts they are read as
        text and divide no turns.

    For example:
        Questions and answers were typed with `<start_of_turn>` and `<end_of_turn>`: no right answer
        equalled gold.

    What to do:
        `data.strip_marks: true` takes marks of chats out when the data is read. Reasoning belongs
        in `reasoning_content` of `messages`, for models that know it.
    """
    everything = sorted(audit.everything(rows), key=lambda r: (r.where.path, r.where.line or 0))
    chat = _rows_with(everything, marks.chat_marks, lambda _: True)
    answers = _rows_with(everything, marks.chat_marks, lambda m: m.role == "assistant")
    other = _rows_with(everything, marks.other_tokens, lambda _: True)
    thinking = [row for row in everything if any(marks.reasoning(m.content) for m in row.messages)]
    if not (chat or other or thinking):
        return None
    parts = []
    for kind, found in (("chat", chat), ("other", other)):
        if found:
            names = Counter(name for _, said in found for name in said)
            parts.append(
                text(
                    f"rules_data.control-tokens-{kind}",
                    count=len(found),
                    rows=len(everything),
                    answers=len(answers),
                    tokens=counted(names.most_common()),
                    places=places(row for row, _ in found),
                )
            )
    if thinking:
        said = {"count": len(thinking), "rows": len(everything), "places": places(thinking)}
        parts.append(text("rules_data.control-tokens-reasoning", **said))
    grave = len(answers) >= many * len(everything) and answers
    some = answers or len(chat) >= many * len(everything)
    return Finding(
        "critical" if grave else "warning" if chat and some else "info",
        joined(parts),
        {
            "rows": len(everything), "chat": len(chat), "in_answers": len(answers),
            "other": len(other), "reasoning": len(thinking),
            "lines": [row.where.line for row, _ in (*chat, *other)][:20],
        },
        {"set": {"data.strip_marks": True}} if chat else None,
    )  # fmt: skip


def _rows_with(
    rows: Sequence[Row], find: Callable[[str], list[str]], counts: Callable[[Message], bool]
) -> list[tuple[Row, list[str]]]:
    found = [(row, [t for m in row.messages if counts(m) for t in find(m.content)]) for row in rows]
    return [(row, list(dict.fromkeys(names))) for row, names in found if names]
