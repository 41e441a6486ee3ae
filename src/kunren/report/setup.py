"""What went into a run, as its record tells it: overview, settings, prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

import emoji

from kunren.config.schema import Decoding, Labels, LossConfig
from kunren.evaluation.told import is_baseline, percent
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.trainlog import Epoch
from kunren.report.format import Table, duration, joined, size

Pairs = Sequence[tuple[str, str]]

_SPLITS = ("train", "validation", "test")

_NEVER_SHOWN = {"loss", "prefix_sharing"}
"""Of ``train``: shown in another form, or of no effect on the result."""


def overview(facts: Facts, epochs: Sequence[Epoch]) -> Pairs:
    """What the reader asks first: what, with what model, when, on what data and machine."""
    config, manifest = facts.config or {}, facts.manifest or {}
    rows = manifest.get("data", {}).get("rows", {})
    found: list[tuple[str, str]] = []
    if config:
        found += [
            (text("record.task"), text(f"record.task-{config['task']['kind']}")),
            (text("record.model"), portable(config["model"]["id"])),
            (text("record.family"), text(f"record.family-{family(facts)}")),
            (text("record.tuning"), text(f"record.tuning-{config['tuning']['kind']}")),
        ]
    found.append(_period(facts))
    if rows:
        folds = manifest["data"].get("folds")
        kind = "record.row-counts-folds" if folds else "record.row-counts"
        each = {name: rows.get(name, 0) for name in _SPLITS}
        tested = sum(fold["test"] for fold in folds or ())
        counts = text(kind, **each, folds=len(folds or ()), all=tested)
        found.append((text("record.data"), counts))
    if manifest.get("machine"):
        found.append((text("record.environment"), _machine(manifest["machine"])))
    seconds = manifest.get("training", {}).get("seconds")
    if seconds is not None and epochs:
        took = text("record.took", time=duration(seconds), epochs=epochs[-1].number)
        found.append((text("record.training-time"), took))
    return found


def _period(facts: Facts) -> tuple[str, str]:
    """When it was done; of a run that has not ended, on which day it began."""
    said = (facts.manifest or {}).get("period")
    if not said:
        started = datetime.fromisoformat(facts.state.started).astimezone()
        return text("record.date"), f"{started:%Y-%m-%d}"
    began, ended = map(datetime.fromisoformat, said)
    until = f"{ended:%H:%M}" if ended.date() == began.date() else f"{ended:%Y-%m-%d %H:%M}"
    return text("record.period"), text(
        "record.from-to", began=f"{began:%Y-%m-%d %H:%M}", ended=until
    )


def purpose(facts: Facts) -> str | None:
    """What was tried, in one or two sentences; None: there is no config to tell it from."""
    config, manifest = facts.config or {}, facts.manifest or {}
    if not config:
        return None
    model = portable(config["model"]["id"])
    said = [text("record.purpose", model=model, family=family(facts), task=_asked(facts))]
    data = manifest.get("data", {})
    if facts.metrics is not None and data.get("rows"):
        rivals = _rivals(facts.metrics)
        fields = {
            "files": _trained_on(data.get("files", {})),
            "train": f"{data['rows'].get('train', 0):,}",
            "test": f"{facts.metrics['rows']:,}",
            "tuning": text(f"record.purpose-{config['tuning']['kind']}"),
        }
        kind = "data" if rivals else "data-alone"
        if folds := data.get("folds"):
            kind = f"folds{kind.removeprefix('data')}"
            fields["folds"] = f"{len(folds):,}"
        said.append(text(f"record.purpose-{kind}", rivals=rivals, **fields))
    return text("record.joined").join(said)


def _trained_on(files: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the file with the training rows."""
    found = files.get("train") or next(iter(files.values()), None)
    return "—" if found is None else str(found["name"])


def _asked(facts: Facts) -> str:
    """The task as the end of a sentence."""
    task = (facts.config or {})["task"]
    if task["kind"] == "answer":
        return text("record.purpose-answer")
    labels = (facts.metrics or {}).get("labels") or (facts.manifest or {}).get("data", {}).get(
        "labels", ()
    )
    if not labels:
        return text(f"record.purpose-{task['kind']}-open")
    end = "-emoji" if all(map(emoji.is_emoji, labels)) else ""
    return text(f"record.purpose-{task['kind']}{end}", labels=len(labels))


def _rivals(metrics: Mapping[str, Any]) -> str:
    """What the tuned model was compared with; empty where it stands alone."""
    named = []
    if "base" in metrics["systems"]:
        kind = "probe" if metrics.get("base") == "probe" else "untuned"
        named.append(text(f"record.purpose-{kind}"))
    trivial = sum(map(is_baseline, metrics["systems"]))
    if trivial:
        kind = "trivial-one" if trivial == 1 else "trivial"
        named.append(text(f"record.purpose-{kind}", count=trivial))
    return text("record.and").join(named)


def family(facts: Facts) -> str:
    """The family of the run's model; the first version of kunren knew causal models only."""
    said: str | None = (facts.config or {}).get("model", {}).get("family")
    return said or "causal"


def generates(facts: Facts) -> bool:
    """Whether the model wrote anything that was scored."""
    if family(facts) == "encoder":
        return False
    evaluate = (facts.config or {}).get("evaluate", {})
    return facts.answers != "label" or bool(evaluate.get("generate", True))


def portable(name: str) -> str:
    """A model's id; of a path from the root or upwards only its last part."""
    path = PurePath(name)
    return path.name if path.is_absolute() or path.parts[:1] == ("..",) else name


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [*machine.get("accelerators", ())]
    if machine.get("processor"):
        parts.append(machine["processor"])
    if machine.get("usable_cores"):
        parts.append(text("record.cores", cores=machine["usable_cores"]))
    if machine.get("memory_bytes"):
        parts.append(text("record.memory", gib=machine["memory_bytes"] / 2**30))
    return " / ".join(parts)


def settings(facts: Facts) -> Table | None:
    """The settings that decide the result, under the keys that change them."""
    if facts.config is None:
        return None
    config = facts.config
    rows: list[tuple[str, object]] = [
        *_task(config),
        ("model.id", portable(config["model"]["id"])),
        ("model.family", family(facts)),
        *_tuning(config["tuning"]),
        *_train(facts),
        *_evaluate(facts),
        ("data.split.seed", config["data"].get("split", {}).get("seed")),
    ]
    made = [(key, _setting(value)) for key, value in rows]
    made += _model(facts)
    return Table([text("record.setting"), text("record.value")], made, "ll")


def _task(config: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "task.kind", config["task"]["kind"]
    usual = Labels().model_dump(mode="json")
    for key, value in config["task"].get("labels", {}).items():
        if value != usual.get(key):
            yield f"task.labels.{key}", value


def _tuning(tuning: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "tuning.kind", tuning["kind"]
    chosen = ("r", "alpha", "dropout") if tuning["kind"] == "lora" else ("train_embeddings",)
    for key in chosen:
        if tuning.get(key) is not None:
            yield f"tuning.{key}", tuning[key]
    if tuning["kind"] == "lora" and tuning.get("target_modules"):
        yield "tuning.target_modules", tuning["target_modules"]


def _train(facts: Facts) -> Iterator[tuple[str, object]]:
    train = (facts.config or {})["train"]
    for key, value in train.items():
        if key in _NEVER_SHOWN:
            continue
        if key == "early_stopping":
            yield from ((f"train.{key}.{inner}", v) for inner, v in (value or {}).items())
            if value is None:
                yield f"train.{key}", text("record.never")
        elif key == "learning_rate":
            yield f"train.{key}", value if value is not None else _peak_rate(facts)
        elif key == "metric":
            yield f"train.{key}", facts.judged_by
        else:
            yield f"train.{key}", value
    yield text("record.loss"), text(f"record.loss-{'bce' if _bce(facts) else 'ce'}")
    usual = LossConfig().model_dump(mode="json")
    for key, value in train.get("loss", {}).items():
        if value != usual.get(key):
            yield f"train.loss.{key}", value


def _bce(facts: Facts) -> bool:
    return family(facts) == "encoder" and facts.answers == "set"


def _evaluate(facts: Facts) -> Iterator[tuple[str, object]]:
    evaluate = (facts.config or {}).get("evaluate", {})
    if generates(facts):
        for system, decoding in decodings(facts).items():
            name = system.removeprefix("tuned").removeprefix("_")
            key = f"evaluate.also.{name}" if name else "evaluate.decoding"
            yield key, decoding_said(decoding)
        if evaluate.get("max_new_tokens") is not None:
            yield "evaluate.max_new_tokens", evaluate["max_new_tokens"]
    if evaluate.get("bertscore") is not None:
        yield "evaluate.bertscore", portable(str(evaluate["bertscore"]))
    threshold = (facts.task or {}).get("threshold")
    if threshold is not None:
        yield text("record.threshold"), text("record.threshold-said", threshold=threshold)


def decodings(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """System ("tuned", "tuned_<name>") → how it wrote."""
    evaluate = (facts.config or {}).get("evaluate", {})
    ways = {"tuned": evaluate.get("decoding", {})}
    return ways | {f"tuned_{name}": way for name, way in evaluate.get("also", {}).items()}


def decoding_said(decoding: Mapping[str, Any]) -> str:
    """How an answer is written, in words."""
    way = Decoding().model_dump() | dict(decoding)
    if way["sample"]:
        parts = [text("record.decoding-sample", temperature=way["temperature"], seed=way["seed"])]
        parts += [f"top-k {way['top_k']}"] if way["top_k"] else []
        parts += [f"top-p {way['top_p']:g}"] if way["top_p"] < 1 else []
    elif way["beams"] > 1:
        parts = [text("record.decoding-beams", beams=way["beams"])]
    else:
        parts = [text("record.decoding-greedy")]
    if way["repetition_penalty"] != 1:
        parts.append(text("record.decoding-penalty", penalty=way["repetition_penalty"]))
    return text("record.joined-short").join(parts)


def _model(facts: Facts) -> Iterator[tuple[str, str]]:
    """What the manifest says of the model: its weights, its new tokens, its way to disk."""
    model = (facts.manifest or {}).get("model", {})
    moving, total = model.get("trainable"), model.get("parameters")
    if moving and total:
        share = text(
            "record.trainable-share", moving=moving, total=total, share=percent(moving / total)
        )
        yield text("record.trainable"), share
        yield text("record.training-memory"), _memory(facts, moving, total)
    if added := model.get("added_tokens"):
        some = joined(added["examples"]) + ("…" if added["count"] > len(added["examples"]) else "")
        yield (
            text("record.added-tokens"),
            text(
                "record.added-tokens-said",
                count=added["count"],
                examples=some,
                vocabulary=added["vocabulary"],
                rows=added["embedding_rows"],
            ),
        )
    if reload := model.get("reload"):
        said = text(
            "record.reload-said", rows=reload["rows"], difference=f"{reload['max_difference']:.1g}"
        )
        yield text("record.reload"), said


def _memory(facts: Facts, moving: int, total: int) -> str:
    """What training holds beside the weights, beside what tuning all of them would take."""
    manifest = facts.manifest or {}
    said = text("record.memory-states", states=size(_states(manifest["model"], moving)))
    if moving < total:
        said += text("record.memory-full", states=size(_states(manifest["model"], total)))
    training = manifest.get("training", {})
    if peak := training.get("peak_memory_bytes"):
        where = text(f"record.memory-{training['memory_kind']}")
        said += text("record.memory-peak", peak=size(peak), where=where)
    return said


def _states(model: Mapping[str, Any], moving: int) -> float:
    """Bytes of gradients and of the optimiser's states; see ``training.optimizer``.

    A gradient has the weight's dtype; AdamW keeps two float32 numbers a weight, and a third, the
    master, where the weight itself is no float32.
    """
    whole = model.get("dtype", "float32") == "float32"
    return moving * (4 + 8 if whole else 2 + 8 + 4)


def prompts(facts: Facts) -> Pairs:
    """What the model read around each text, in full: template and system prompt."""
    task = (facts.config or {}).get("task", {})
    found = []
    if task.get("template", "{text}") != "{text}":
        found.append((text("record.template"), task["template"]))
    if task.get("system"):
        found.append((text("record.system-prompt"), task["system"]))
    return found


def _peak_rate(facts: Facts) -> float | None:
    rates = [rate for row in facts.log or () if (rate := row.get("learning_rate")) is not None]
    return max(rates, default=None)


def _setting(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return text("record.joined-short").join(f"{k}: {_setting(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return joined([str(each) for each in value])
    return str(value)
