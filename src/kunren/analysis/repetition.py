"""Texts that do not come to an end."""

from __future__ import annotations

UNIT = 60
"""Longest part, in characters, that is looked for as the one repeated."""

TIMES = 4
"""Said this often at the end of a text, a part is a loop; people say things three times."""

LENGTH = 12
"""Shorter repetitions (``！！！！``, ``はははは``) are a manner of writing."""


def loop(said: str) -> str | None:
    """What a text repeats again and again at its end; None where it does not.

    The last repetition may be cut, as it is where the number of tokens ends it: ``東京です。東京
    です。東京です。東京です。東`` repeats ``東京です。``.
    """
    said = said.rstrip()
    for size in range(1, min(UNIT, len(said) // TIMES) + 1):
        length = size
        while length < len(said) and said[-length - 1] == said[-length - 1 + size]:
            length += 1
        if length >= max(LENGTH, TIMES * size):
            return said[len(said) - length : len(said) - length + size]
    return None
