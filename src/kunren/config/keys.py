"""The keys of the schema: which there are, which was meant, and what each may hold."""

from __future__ import annotations

import re
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from kunren.config import foreign
from kunren.config.document import Document, KeyPath, scalar
from kunren.config.schema import Config, Section
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt
from kunren.types import Where


def section_of(annotation: Any) -> type[Section] | None:
    """The section that a field holds, looking through ``| None`` and ``Annotated``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if typing.get_origin(annotation) is dict:
        return None
    return next((s for a in typing.get_args(annotation) if (s := section_of(a))), None)


def named_sections(annotation: Any) -> type[Section] | None:
    """The section that each value of a mapping with free keys is."""
    if typing.get_origin(annotation) is dict:
        return section_of(typing.get_args(annotation)[1])
    return None


def nullable(annotation: Any) -> bool:
    """Whether a field may be null."""
    return type(None) in typing.get_args(annotation)


def walk(section: type[Section] = Config, above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All dotted paths of the schema, sections included, with their fields."""
    for name, info in section.model_fields.items():
        yield above + name, info
        inner = section_of(info.annotation)
        if inner is not None:
            yield from walk(inner, f"{above}{name}.")


def words() -> frozenset[str]:
    """Every word that is a key somewhere."""
    return frozenset(path.rpartition(".")[2] for path, _ in walk())


def choices(annotation: Any) -> list[str]:
    """All values that the ``Literal``s of an annotation allow."""
    if typing.get_origin(annotation) is Literal:
        return [str(value) for value in typing.get_args(annotation)]
    return [c for part in typing.get_args(annotation) for c in choices(part)]


def allowed_range(name: str, info: FieldInfo) -> str:
    """The range of a number as an inequality, such as ``0 < warmup < 1``."""
    low = high = ""
    for bound in _metadata(info.annotation, info.metadata):
        match bound:
            case Gt():
                low = f"{bound.gt} < "
            case Ge():
                low = f"{bound.ge} ≤ "
            case Lt():
                high = f" < {bound.lt}"
            case Le():
                high = f" ≤ {bound.le}"
    return f"{low}{name}{high}"


def _metadata(annotation: Any, own: list[Any]) -> Iterator[Any]:
    for part in own:
        yield from part.metadata if isinstance(part, FieldInfo) else (part,)
    if typing.get_origin(annotation) is Annotated:
        yield from _metadata(None, list(annotation.__metadata__))
        yield from _metadata(annotation.__origin__, [])
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _metadata(part, [])


@dataclass(slots=True)
class Cleaner:
    """Makes a document's keys those of the schema, and tells about each that was not.

    A key that was misspelt is read as the one that was meant, so that what stands below it is
    checked too and nothing is called missing that is only misspelt.

    Attributes:
        meant: our dotted key → the value that another trainer's key gave it, and where.
    """

    document: Document
    path: str
    overridden: Mapping[KeyPath, Where]
    places: dict[KeyPath, Where] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    meant: dict[str, tuple[Any, Where]] = field(default_factory=dict)

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All values of the file under the schema's keys, foreign ones at the place of ours."""
        cleaned = self.section(values, Config, (), ())
        for dotted, (value, where) in self.meant.items():
            *above, last = dotted.split(".")
            section: Any = cleaned
            for key in above:
                section = section.setdefault(key, {}) if isinstance(section, dict) else None
            if isinstance(section, dict) and last not in section and value is not None:
                section[last] = value
                self.places[tuple(dotted.split("."))] = where
        return cleaned

    def section(
        self, values: Mapping[str, Any], section: type[Section], old: KeyPath, new: KeyPath
    ) -> dict[str, Any]:
        """The values below ``old`` in the file, under the schema's keys, at ``new``."""
        cleaned: dict[str, Any] = {}
        for key, value in values.items():
            at = (*old, key)
            name = key
            if key not in section.model_fields:
                meant = self._meant(key, value, section, at, new)
                if meant is None:
                    continue
                name, value = meant
                if name in values:
                    continue
            info = section.model_fields[name]
            self.places[(*new, name)] = self.where(at)
            inner, each = section_of(info.annotation), named_sections(info.annotation)
            if inner is not None:
                value = self._inner(value, inner, at, (*new, name), info)
            elif each is not None and isinstance(value, dict):
                value = self._named(value, each, at, (*new, name))
            elif isinstance(value, list):
                for n in range(len(value)):
                    self.places[(*new, name, n)] = self.where((*at, n))
            cleaned[name] = value
        return cleaned

    def where(self, at: KeyPath) -> Where:
        """The place of a key, or of the nearest thing above it that has one."""
        for end in range(len(at), -1, -1):
            if at[:end] in self.overridden:
                return self.overridden[at[:end]]
            if end and at[:end] in self.document.spans:
                return Where(self.path, self.document.spans[at[:end]].first)
        return Where(self.path)

    def _inner(
        self, value: Any, inner: type[Section], old: KeyPath, new: KeyPath, info: FieldInfo
    ) -> Any:
        if value is None and not nullable(info.annotation):
            value = {}  # a heading with all its keys commented out
        if isinstance(value, dict):
            return self.section(value, inner, old, new)
        span = self.document.spans.get(old)
        if isinstance(value, str) and span and old not in self.overridden:
            lines = range(span.first, span.last + 1)
            slips = [self.document.slips[n] for n in lines if n in self.document.slips]
            if slips:
                self.problems.extend(slips)
                return {}
        return value

    def _named(
        self, values: dict[str, Any], section: type[Section], old: KeyPath, new: KeyPath
    ) -> dict[str, Any]:
        """The sections of a mapping whose keys are the user's own."""
        cleaned = {}
        for key, value in values.items():
            self.places[(*new, key)] = self.where((*old, key))
            inside = isinstance(value, dict)
            cleaned[key] = (
                self.section(value, section, (*old, key), (*new, key)) if inside else value
            )
        return cleaned

    def _meant(
        self, key: str, value: Any, section: type[Section], at: KeyPath, new: KeyPath
    ) -> tuple[str, Any] | None:
        """The key and value that were meant by a key that is not in ``section``."""
        where = self.where(at)
        names = list(section.model_fields)
        folded = unicodedata.normalize("NFKC", key).strip()
        slip = self.document.slips.get(where.line or 0)
        if slip is not None and slip.code == "config.fullwidth-indent" and folded not in names:
            self.problems.append(slip)  # a key of the section above, that YAML took for a sibling
            return None
        if folded in names:
            said: dict[str, object] = {"written": excerpt(key), "key": folded}
            self.problems.append(slip or Problem("config.fullwidth-key", where, said))
            return folded, value
        glued = re.fullmatch(r"([^:：]+)([:：])(.*)", key, re.DOTALL)
        if glued and (name := unicodedata.normalize("NFKC", glued[1]).strip()) in names:
            wide = glued[2] == "："
            said = {"written": glued[1] + glued[2], "key": name, "rest": excerpt(glued[3])}
            self.problems.append(
                Problem("config.fullwidth-key" if wide else "config.no-space", where, said)
            )
            return name, scalar(glued[3].strip())
        dotted = ".".join(map(str, (*new, key)))
        said = {"key": excerpt(dotted, 60), "allowed": ", ".join(names)}
        elsewhere = [path for path, _ in walk() if path.rpartition(".")[2] == folded]
        if elsewhere:
            said |= {"meant": " / ".join(elsewhere)}
            self.problems.append(Problem("config.misplaced-key", where, said))
            return None
        ours, reason = foreign.our_key(folded), foreign.why_none(folded)
        if ours is not None:
            return self._foreign(folded, ours, value, where, new)
        if reason is not None:
            self.problems.append(Problem(f"config.foreign-{reason}", where, said))
            return None
        near = nearest(key, names)
        if near is None:
            self.problems.append(Problem("config.unknown-key", where, said))
            return None
        said |= {"meant": ".".join(map(str, (*new, near)))}
        self.problems.append(Problem("config.unknown-key-near", where, said))
        return near, value

    def _foreign(
        self, key: str, ours: str, value: Any, where: Where, new: KeyPath
    ) -> tuple[str, Any] | None:
        """Our key and value for another trainer's key, if ours stands in the same section."""
        meant = foreign.our_value(key, value)
        said: dict[str, object] = {"key": key, "meant": ours, "line": _written(ours, meant)}
        code = "foreign-key" if meant is not None else "foreign-default"
        self.problems.append(Problem(f"config.{code}", where, said))
        section, _, name = ours.rpartition(".")
        if meant is not None and section == ".".join(map(str, new)):
            return name, meant
        self.meant.setdefault(ours, (meant, where))
        return None


def _written(dotted: str, value: Any) -> str:
    """A key and its value as a line of YAML."""
    *above, last = dotted.split(".")
    nested: Any = {last: value}
    for key in reversed(above):
        nested = {key: nested}
    line = yaml.safe_dump(nested, default_flow_style=True, allow_unicode=True, width=10_000)
    return excerpt(line.strip()[1:-1], 80)
