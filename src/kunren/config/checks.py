"""What a document says that cannot be meant together, each with what to write instead.

The schema checks every value by itself; here are the pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kunren.config.document import KeyPath
from kunren.config.schema import Config, Labels, Metric
from kunren.errors import Problem
from kunren.types import Where

METRICS: Mapping[str, tuple[Metric, ...]] = {
    "classify": ("accuracy", "macro_f1", "loss"),
    "tag": ("macro_f1", "jaccard", "micro_f1", "exact_match", "top1_share", "loss"),
    "answer": ("loss", "chrf", "char_f1", "exact_match"),
}
"""What can be measured on the validation rows of each task; the first is the default."""

BASELINES: Mapping[str, tuple[str, ...]] = {
    "classify": ("majority", "nearest", "tfidf_logreg", "few_shot"),
    "tag": ("majority", "constant", "nearest", "tfidf_logreg", "few_shot"),
    "answer": ("constant", "nearest", "copy", "lead", "few_shot", "retrieval"),
}

PROMPTED = ("few_shot", "retrieval")
"""Baselines that are the untuned model with more in its prompt: for models that read one."""

SCRATCH = "scratch:"

NAME_BYTES = 230
"""Of an experiment's name in UTF-8: a file name may have 255, and a date and a number follow."""

_Found = tuple[str, str, Mapping[str, object]]


def check(config: Config, places: Mapping[KeyPath, Where], path: str) -> list[Problem]:
    """All such pairs.

    Args:
        config: a valid config.
        places: where each value was written.
        path: the file, for what was not written anywhere.
    """
    found = [*_paths(config), *_task(config), *_labels(config), *_model(config)]
    found += _training(config)
    found += _prompted(config)
    return [
        Problem(f"config.{code}", _place(dotted, places, path), {"key": dotted, **fields})
        for dotted, code, fields in found
    ]


def _place(dotted: str, places: Mapping[KeyPath, Where], path: str) -> Where:
    at = tuple(dotted.split("."))
    return next((places[at[:n]] for n in range(len(at), 0, -1) if at[:n] in places), Where(path))


def _task(config: Config) -> Iterator[_Found]:
    kind = config.task.kind
    named = config.evaluate.baselines
    unfit = [] if named == "all" else [name for name in named if name not in BASELINES[kind]]
    if unfit:
        fields = {"value": ", ".join(unfit), "kind": kind, "allowed": " / ".join(BASELINES[kind])}
        yield "evaluate.baselines", "unfit-for-task", fields
    metric = config.train.metric
    if metric is not None and metric not in METRICS[kind]:
        fields = {"value": metric, "kind": kind, "allowed": " / ".join(METRICS[kind])}
        yield "train.metric", "unfit-for-task", fields
    reserved = [x for x in config.evaluate.also if re.fullmatch(r"base|tuned|seed\d+", x)]
    for name in reserved:
        yield "evaluate.also", "reserved-name", {"value": name}
    seeds = config.evaluate.seeds
    if len(set(seeds)) < len(seeds):
        yield "evaluate.seeds", "same-seed-twice", {"value": ", ".join(map(str, seeds))}
    if config.evaluate.cv is not None and config.data.test is not None:
        yield "evaluate.cv", "cv-with-test-file", {}
    if config.evaluate.also and kind == "classify":
        yield "evaluate.also", "also-without-writing", {"kind": kind}
    if config.evaluate.bertscore is not None and kind != "answer":
        yield "evaluate.bertscore", "bertscore-without-text", {"kind": kind}
    if (config.evaluate.bertscore or "").startswith(SCRATCH):
        yield "evaluate.bertscore", "bertscore-untrained", {"value": config.evaluate.bertscore}


def _paths(config: Config) -> Iterator[_Found]:
    """Paths that no file system could hold: opening one would raise something else than OSError."""
    if len(config.name.encode()) > NAME_BYTES:
        yield "name", "name-bytes", {"most": NAME_BYTES}
    documents = config.data.documents
    named: dict[str, Sequence[str | None]] = {
        "data.train": [config.data.train],
        "data.validation": [config.data.validation],
        "data.test": [config.data.test],
        "data.documents": [documents] if isinstance(documents, str) else documents or (),
        "model.id": [config.model.id],
        "evaluate.bertscore": [config.evaluate.bertscore],
        "evaluate.against": [config.evaluate.against],
    }
    for key, path in ((key, path) for key, paths in named.items() for path in paths if path):
        bad = next((c for c in path if unicodedata.category(c) in ("Cc", "Cs")), None)
        if bad is not None:
            yield key, "path-character", {"character": f"U+{ord(bad):04X}"}
        elif len(path.encode()) >= 4096 or any(len(p.encode()) > 255 for p in path.split("/")):
            yield key, "path-too-long", {}
        elif path.startswith("~"):
            try:
                Path(path).expanduser()
            except RuntimeError:
                yield key, "path-no-home", {"value": path}


def _prompted(config: Config) -> Iterator[_Found]:
    named = config.evaluate.baselines
    chosen = [] if named == "all" else [name for name in named if name in PROMPTED]
    if config.data.documents is not None and config.task.kind != "answer":
        yield "data.documents", "documents-not-answer", {"kind": config.task.kind}
    if chosen and config.model.family in ("seq2seq", "encoder"):
        fields = {"value": ", ".join(chosen), "family": config.model.family}
        yield "evaluate.baselines", "prompt-not-read", fields
    if "few_shot" in chosen and config.evaluate.few_shot == 0:
        yield "evaluate.few_shot", "few-shot-off", {}
    if "retrieval" in chosen and config.task.kind == "answer" and config.data.documents is None:
        yield "evaluate.baselines", "retrieval-without-documents", {}


def _labels(config: Config) -> Iterator[_Found]:
    kind, labels = config.task.kind, config.task.labels
    columns = config.data.fields.label
    if not isinstance(columns, str):
        if kind == "answer":
            yield "data.fields.label", "label-columns-for-answer", {}
        if len(set(columns)) < len(columns):
            twice = sorted({name for name in columns if columns.count(name) > 1})
            yield "data.fields.label", "label-column-twice", {"value": ", ".join(twice)}
    elif labels.threshold and kind != "answer":
        yield "task.labels.threshold", "threshold-without-columns", {}
    if kind == "answer":
        for name, value in labels:
            if value != getattr(Labels(), name):
                yield f"task.labels.{name}", "labels-for-answer", {}
        return
    if labels.hierarchy is not None and (kind != "classify" or labels.kind == "emoji"):
        yield "task.labels.hierarchy", "hierarchy-not-classify", {}
    if labels.hierarchy == "":
        yield "task.labels.hierarchy", "empty-separator", {}
    if labels.separator == "":
        yield "task.labels.separator", "empty-separator", {}
    if labels.separator is not None and kind != "tag":
        yield "task.labels.separator", "separator-not-tag", {}
    if labels.none is not None and kind != "tag":
        yield "task.labels.none", "separator-not-tag", {}
    if labels.merge_skin_tones and labels.kind != "emoji":
        yield "task.labels.merge_skin_tones", "skin-tones-not-emoji", {}
    both = sorted(set(labels.allow or ()) & set(labels.ban))
    if both:
        yield "task.labels.ban", "allowed-and-banned", {"value": " ".join(both)}


def _model(config: Config) -> Iterator[_Found]:
    family, scratch = config.model.family, config.model.id.startswith(SCRATCH)
    if family == "encoder" and config.task.kind == "answer":
        yield "model.family", "encoder-cannot-write", {}
    if family == "encoder" and config.model.add_tokens:
        yield "model.add_tokens", "tokens-for-encoder", {}
    if family == "encoder" and config.evaluate.also:
        yield "evaluate.also", "also-without-writing", {"kind": "encoder"}
    if config.model.add_tokens == "labels" and config.task.kind == "answer":
        yield "model.add_tokens", "no-labels-to-add", {}
    if scratch and config.tuning.kind == "lora":
        yield "tuning.kind", "lora-on-scratch", {}
    if scratch and config.tuning.train_embeddings is False:
        yield "tuning.train_embeddings", "frozen-scratch", {}


def _training(config: Config) -> Iterator[_Found]:
    warmup = config.train.warmup
    if warmup >= 1 and warmup != int(warmup):
        yield "train.warmup", "warmup-not-whole", {"value": warmup}
    loss = config.train.loss
    if loss.level_weight and config.task.labels.hierarchy is None:
        yield "train.loss.level_weight", "levels-without-hierarchy", {}
    if loss.level_weight and config.model.family in ("causal", "seq2seq"):
        yield "train.loss.level_weight", "levels-without-head", {}
    if loss.class_weights is not None and config.task.kind == "answer":
        yield "train.loss.class_weights", "labels-for-answer", {}
    if isinstance(loss.class_weights, dict) and not any(loss.class_weights.values()):
        yield "train.loss.class_weights", "no-class-weight", {}
