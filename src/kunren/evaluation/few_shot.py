"""Training rows as examples in the prompt of the untuned model.

Each question gets the training rows that are most like it: known to be far better than the same
examples for all (Liu et al. 2022, "What makes good in-context examples for GPT-3?"). The same for
all could be read once a batch, but small models then answer like the last example: on the training
rows of examples/emotion_emoji.yaml, Gemma 3 270M had 0 and 4 % accuracy with 8 and 25 rows that
stood for all labels (25 labels, 50 questions), 10 and 14 % with the nearest 4 and 8.
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.evaluation.likeness import most_alike
from kunren.types import Item, Message, Row


def examples_for(items: Sequence[Item], rows: Sequence[Row], most: int) -> list[list[Row]]:
    """The training rows most like each item, the most alike first.

    Args:
        items: what is asked; compared by its last user turn.
        rows: prepared training rows, at least one; compared by all their user turns.
        most: how many for each item.
    """
    known = ["\n".join(m.content for m in row.messages if m.role == "user") for row in rows]
    places = most_alike(known, [item.text for item in items], most)
    return [[rows[n] for n in of_item] for of_item in places]


def with_examples(item: Item, examples: Sequence[Row]) -> tuple[Message, ...]:
    """The item's conversation with the examples before it, as earlier turns of the same chat.

    The item's own system prompt stays in front; the examples' are left out. The most alike comes
    last: what stands nearest to the question counts most.
    """
    shown = [m for row in reversed(examples) for m in row.messages if m.role != "system"]
    opening = item.context[:1] if item.context[0].role == "system" else ()
    return (*opening, *shown, *item.context[len(opening) :])
