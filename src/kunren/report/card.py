"""The model card: ``README.md`` in the model's folder, with code that opens it without kunren."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from jinja2 import Environment

from kunren.messages import text
from kunren.models import family_class
from kunren.models.packages import PACKAGES, PREFIX
from kunren.models.sources import Kind
from kunren.records import files
from kunren.records.facts import Facts
from kunren.report.setup import family
from kunren.report.summary import Summary

NAME = "README.md"

_PIPELINES = {
    "encoder": "text-classification",
    "causal": "text-generation",
    "seq2seq": "text2text-generation",
}


@dataclass(frozen=True, slots=True)
class Base:
    """The model that was tuned, as another machine finds it.

    Attributes:
        kind: where it came from.
        name: hub id, ``package:NAME``, or the last part of a path.
        revision: of the hub: the commit.
        origin: hub id of the model that it is or was made from.
        licence: its name and where its text is; None: not known.
        licence_id: as the hub calls it.
        sha256: of its weights, where they are a folder's or a GGUF file's.
    """

    kind: Kind
    name: str
    revision: str | None
    origin: str | None
    licence: str | None
    licence_id: str | None
    sha256: str | None


def write(environment: Environment, facts: Facts, summary: Summary) -> None:
    """Write the card of a finished run's model; nothing where there is no model.

    Raises:
        InputError: the file that tells what the model was made from is broken.
    """
    folder = facts.path / "model"
    saved = folder / "kunren_model.json"
    if None in (facts.metrics, facts.config, facts.task) or not saved.is_file():
        return
    record = files.read_object(saved)
    try:
        of, header, code = base(record, facts), dict(_header(record, facts)), _code(record, facts)
    except (KeyError, TypeError) as error:
        raise files.broken(saved, error) from None
    template = environment.get_template("card.md.jinja")
    written = template.render(
        s=summary,
        base=of,
        header=header,
        m=code,
        c=lambda key, /, **fields: text(f"card.{key}", **fields),
    )
    files.write_text(folder / NAME, written.rstrip() + "\n")


def base(record: Mapping[str, Any], facts: Facts) -> Base:
    """What ``kunren_model.json`` and the manifest say of the model that was tuned."""
    model = (facts.manifest or {}).get("model", {})
    kind: Kind = model.get("kind", "folder")
    said, known = record["base"], record.get("base_provenance", {})
    id_ = str(said["id"])
    source = PACKAGES.get(id_.removeprefix(PREFIX)) if kind == "package" else None
    return Base(
        kind=kind,
        name=PurePath(id_).name if kind in ("folder", "gguf") else id_,
        revision=known.get("commit") or said.get("revision") if kind == "hub" else None,
        origin=source.origin if source else id_ if kind == "hub" else None,
        licence=f"{source.licence} ({source.terms})" if source else None,
        licence_id=source.licence_id if source else None,
        sha256=known.get("weights_sha256") or known.get("gguf_sha256"),
    )


def _header(record: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """What the hub reads of a card."""
    of = base(record, facts)
    yield "language", "ja"
    yield "library_name", "peft" if record["tuning"] == "lora" else "transformers"
    yield "pipeline_tag", _PIPELINES[family(facts)]
    if of.origin is not None:
        yield "base_model", of.origin
        yield "base_model_relation", "adapter" if record["tuning"] == "lora" else "finetune"
    if of.licence_id is not None:
        yield "license", of.licence_id


def _code(record: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """What the code that opens the model depends on."""
    config, manifest = facts.config or {}, facts.manifest or {}
    task, evaluate = config["task"], config.get("evaluate", {})
    decoding = evaluate.get("decoding", {})
    added = bool(record.get("added_tokens"))
    template = str(task.get("template", "{text}"))
    return {
        "auto": family_class(family(facts)).auto_class,
        "family": family(facts),
        "answers": facts.answers,
        "lora": record["tuning"] == "lora",
        "dtype": manifest.get("model", {}).get("dtype", "float32"),
        "trust": bool(record["base"].get("trust_remote_code")),
        "rows": record["embedding_rows"] if added else None,
        "untied": added and record.get("tied") is False,
        "template": None if template == "{text}" else repr(template),
        "system": bool((facts.task or {}).get("system")),
        "system_turn": record.get("system_turn", True),
        "thinks": bool((facts.task or {}).get("thinks")),
        "empty": bool((facts.task or {}).get("empty")),
        "max_new_tokens": evaluate.get("max_new_tokens"),
        "beams": decoding.get("beams", 1),
        "sampling": decoding if decoding.get("sample") else None,
    }
