"""The untuned model with more in its prompt: what one can have without training at all.

``few_shot`` shows it training rows, ``retrieval`` passages of the user's documents. Both are
baselines: a tuned model that is not above them was not worth its training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kunren.config.schema import EvaluateConfig
from kunren.data.documents import Passage
from kunren.errors import InputError
from kunren.evaluation.few_shot import examples_for, with_examples
from kunren.evaluation.retrieval import hits, search, with_passages
from kunren.models import Family
from kunren.types import Item, Message, Row

WRITTEN_TOKENS = 16_384
"""Prompt tokens in a batch that is written for: the keys and values of long prompts fill the
memory. About 0.7 GB for a model of 0.3 billion parameters in float32."""

CHOSEN_TOKENS = 2048
"""Likewise where labels are scored: a batch is then one sequence, and attention takes time with its
square, where the prompts begin differently."""

_COUNTED = ("items_with_numbers", "found", "in_documents")
"""Facts of retrieval that are summed over folds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """What prompts are filled with, and how far.

    Attributes:
        rows: prepared training rows.
        passages: of the documents; empty where there are none.
        limit: tokens that prompt and answer may have together.
        writes: whether the model writes its answer; else it chooses from the label set.
    """

    rows: Sequence[Row]
    passages: Sequence[Passage]
    limit: int
    writes: bool


@dataclass(frozen=True, slots=True)
class Prompted:
    """Items with more in their prompts.

    Attributes:
        items: the same items with other contexts; empty where nothing fits.
        facts: what the record says of it, as plain JSON: ``asked`` (how many examples or passages
            there are for each item), ``used`` (how many it got → items), and of retrieval how many
            ``passages`` there are, and ``hits``.
        batch_size: items at a time.
    """

    items: list[Item]
    facts: dict[str, Any]
    batch_size: int


def systems(config: EvaluateConfig, family: Family, passages: Sequence[Passage]) -> dict[str, str]:
    """The systems that the config asks for → why there is none of them; empty: there is.

    A family that was not made to read instructions makes nothing of examples or passages
    (``family``), nor does a model with random weights (``not-pretrained``).
    """
    there = {"few_shot": config.few_shot > 0, "retrieval": bool(passages)}
    named = there if config.baselines == "all" else config.baselines
    reason = ""
    if not family.instructed:
        reason = "family"
    elif not family.loaded.provenance.get("pretrained", True):
        reason = "not-pretrained"
    return {name: reason for name, is_there in there.items() if is_there and name in named}


def prompted(
    name: str, family: Family, source: Source, items: Sequence[Item], config: EvaluateConfig
) -> Prompted:
    """The items as the system ``name`` is asked them.

    As many examples or passages as fit beside the longest answer, for each item by itself. A model
    whose chat template takes no earlier turns gets nothing (``template``): for want of a baseline
    no experiment is to stop.
    """
    try:
        return _prompted(name, family, source, items, config)
    except InputError:
        return Prompted([], {"reason": "template"}, 1)


def _prompted(
    name: str, family: Family, source: Source, items: Sequence[Item], config: EvaluateConfig
) -> Prompted:
    room = source.limit - (config.max_new_tokens or 0)
    facts: dict[str, Any]
    if name == "few_shot":
        examples = examples_for(items, source.rows, config.few_shot)
        made, shown = _filled(family, items, examples, with_examples, room)
        used = list(map(len, shown))
        facts = {"asked": min(config.few_shot, len(source.rows))}
    else:
        found = search(source.passages, [item.text for item in items], config.passages)
        made, passages = _filled(family, items, found, with_passages, room)
        used = list(map(len, passages))
        there = len(source.passages)
        facts = {"asked": min(config.passages, there), "passages": there}
        facts |= hits(items, passages, source.passages)
    counts = Counter(used)
    facts["used"] = {str(count): counts[count] for count in sorted(counts)}
    longest = max(map(len, family.prompts(made)), default=1)
    most = (WRITTEN_TOKENS if source.writes else CHOSEN_TOKENS) // longest
    return Prompted(made if any(used) else [], facts, max(1, min(config.batch_size, most)))


def together(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The facts of several folds as one: counts summed, and what follows from them."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for system, one in part.items():
            both = found.setdefault(system, {})
            for name, value in one.items():
                if name == "used":
                    both[name] = dict(Counter(both.get(name, {})) + Counter(value))
                elif name in _COUNTED:
                    both[name] = both.get(name, 0) + value
                else:
                    both.setdefault(name, value)
            if both.get("items_with_numbers"):
                both["hit_rate"] = both["found"] / both["items_with_numbers"]
    return found


def _filled(
    family: Family,
    items: Sequence[Item],
    found: Sequence[Sequence[T]],
    put: Callable[[Item, Sequence[T]], tuple[Message, ...]],
    room: int,
) -> tuple[list[Item], list[Sequence[T]]]:
    """Each item with as many of the things found for it as fit, and which those are."""
    made, kept = [], []
    for item, things in zip(items, found, strict=True):
        tried = [replace(item, context=put(item, things[:n])) for n in range(len(things) + 1)]
        lengths = [len(prompt) for prompt in family.prompts(tried)]
        count = next((n for n in range(len(things), 0, -1) if lengths[n] <= room), 0)
        made.append(tried[count])
        kept.append(things[:count])
    return made, kept
