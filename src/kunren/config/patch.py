"""Changes a few values of a YAML text and leaves the rest as its author wrote it.

Comments, blank lines, order and quoting stay: only the characters of a changed value are replaced,
and a key that was not there is written behind its neighbours. Where that cannot be done (an alias,
say), the document is written anew, without its comments.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from kunren.config.document import parse
from kunren.config.load import Dumper


@dataclass(frozen=True, slots=True)
class Patched:
    """A changed YAML text.

    Attributes:
        text: the document.
        kept: whether it still has its comments.
    """

    text: str
    kept: bool


def patch(written: str, changes: Mapping[str, Any]) -> Patched:
    """Set values in a YAML text.

    Args:
        written: a document that can be parsed, with a mapping at its top.
        changes: dotted key → value, plain JSON.
    """
    wanted = parse(written, "", ()).value
    changed = written
    for dotted, value in changes.items():
        keys = dotted.split(".")
        wanted = _with(wanted, keys, value)
        changed = _edited(changed, keys, value) or changed
    if parse(changed, "", ()).value == wanted:
        return Patched(changed, kept=True)
    anew = yaml.dump(wanted, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)
    return Patched(anew, kept="#" not in written)


def options(changes: Mapping[str, Any]) -> str:
    """Changes as options of a command, as they are typed into a shell: ``--set train.epochs=8``.

    Args:
        changes: dotted key → value, plain JSON.
    """
    said = {key: _typed(value) for key, value in changes.items()}
    return " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in said.items())


def _typed(value: object) -> str:
    # A template, say, begins with a brace: without quotes it would be read as a mapping.
    plain = isinstance(value, str) and flow(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def flow(value: object) -> str:
    """A value on one line, as a person writes it into YAML: ``[✨, 📚]``, ``{seed: 1}``."""
    # In a list, so that it is quoted as it must be within brackets.
    said = yaml.dump(
        [value], Dumper=Dumper, allow_unicode=True, sort_keys=False, default_flow_style=True,
        width=float("inf"),
    )  # fmt: skip
    return said.strip()[1:-1]


def _with(values: Any, keys: list[str], value: object) -> dict[str, Any]:
    made = deepcopy(values) if isinstance(values, dict) else {}
    inner = value if len(keys) == 1 else _with(made.get(keys[0]), keys[1:], value)
    return made | {keys[0]: inner}


def _edited(written: str, keys: list[str], value: object) -> str | None:
    """The text with one value set; None where the place for it was not found."""
    node: Any = yaml.compose(written, Loader=yaml.BaseLoader)
    for depth, key in enumerate(keys):
        if not isinstance(node, yaml.MappingNode):
            return _replaced(written, node, _nested(keys[depth:], value))
        found = [child for name, child in node.value if name.value == key]
        if not found:
            return _inserted(written, node, key, _nested(keys[depth + 1 :], value))
        node = found[0]
    return _replaced(written, node, value)


def _nested(keys: list[str], value: object) -> object:
    for key in reversed(keys):
        value = {key: value}
    return value


def _replaced(written: str, node: yaml.Node, value: object) -> str:
    begin, end = node.start_mark.index, _end(node)
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    before, after = written[:begin], written[end:]
    space = " " if before.endswith(":") else ""
    if block:
        # A block of lines becomes one behind its key.
        before, space = before.rstrip(), " "
    return before + space + flow(value) + after


def _inserted(written: str, mapping: yaml.MappingNode, key: str, value: object) -> str:
    said = f"{flow(key)}: {flow(value)}"
    end = _end(mapping)
    if mapping.flow_style:
        closing = end - 1
        before = written[:closing].rstrip()
        comma = ", " if mapping.value and not before.endswith(",") else ""
        return before + comma + said + written[closing:]
    line_end = written.find("\n", end)
    line_end = len(written) if line_end < 0 else line_end
    indent = " " * mapping.value[0][0].start_mark.column
    return f"{written[:line_end]}\n{indent}{said}{written[line_end:]}"


def _end(node: yaml.Node) -> int:
    """Where a node's last character ends.

    PyYAML's end of a block is where the next thing begins, behind blank lines and comments.
    """
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    end: int = node.end_mark.index
    return end
