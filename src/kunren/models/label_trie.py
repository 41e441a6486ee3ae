"""A closed set of labels as the tokens that have to be read to score them all.

Labels share tokens (``国際/政治`` and ``国際/経済``), and a label's last token need not be
read: its probability stands at the position before. What remains is a forest below the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Node:
    """A token to be read after position ``parent`` (0: the end of the prompt)."""

    token: int
    parent: int


@dataclass(frozen=True, slots=True)
class Forest:
    """What to read after a prompt, and where each label's tokens are then scored.

    Position 0 is the end of the prompt, position n the node n - 1. The label ``steps_label[s]`` has
    the token ``steps_token[s]``, scored by the logits at ``steps_position[s]``.
    """

    nodes: tuple[Node, ...]
    labels: int
    steps_label: tuple[int, ...]
    steps_position: tuple[int, ...]
    steps_token: tuple[int, ...]

    @property
    def positions(self) -> int:
        """Positions a prompt at which logits are needed."""
        return len(self.nodes) + 1


def label_forest(labels: Sequence[Sequence[int]]) -> Forest:
    """Build the forest of ``labels``, each a token sequence that ends with the end-of-turn token.

    Where no label is the beginning of another, the end-of-turn token decides nothing between them
    and is left out: for labels of one token each, nothing but the prompt is then read.

    Raises:
        ValueError: two labels have the same tokens.
    """
    bodies = [tuple(tokens[:-1]) for tokens in labels]
    if len(set(bodies)) < len(bodies):
        raise ValueError("two labels have the same tokens")
    ordered = sorted(bodies)
    nested = any(b[: len(a)] == a for a, b in pairwise(ordered))
    sequences = [tuple(tokens) for tokens in labels] if nested else bodies
    position_of: dict[tuple[int, ...], int] = {(): 0}
    nodes: list[Node] = []
    steps: list[tuple[int, int, int]] = []
    for number, sequence in enumerate(sequences):
        for length, token in enumerate(sequence):
            read = sequence[:length]
            if read not in position_of:
                nodes.append(Node(read[-1], position_of[read[:-1]]))
                position_of[read] = len(nodes)
            steps.append((number, position_of[read], token))
    label, position, token_ids = zip(*steps, strict=True)
    return Forest(tuple(nodes), len(sequences), label, position, token_ids)
