"""A saved model opens elsewhere: plain transformers and PEFT, no kunren, no cache, no network.

The code is that of the model card. It runs in a fresh process, beside a run folder and a base that
were moved, and must give the answers that the run has recorded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forked import ask_forked_process
from tests.models.tiny_families import make_mt5
from tests.small import TEXTS
from tests.tiny_models import save_tiny

from kunren import experiment
from kunren.models import verify
from kunren.progress import Silent
from kunren.report.render import render

CODE = re.compile(r"^`{5}python\n(.*?)^`{5}$", re.MULTILINE | re.DOTALL)
MERGE = re.compile(r"^`{3}python\n(.*?)^`{3}$", re.MULTILINE | re.DOTALL)
HERE = Path(__file__).with_name("open_cards.py")


@dataclass(frozen=True)
class Kind:
    """What is saved: which tiny model is tuned how, for which task, and what else is set."""

    model: str
    task: str
    tuning: str
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.model}_{self.task}_{self.tuning}"


KINDS = (
    Kind("gemma", "classify", "lora", ("task.template='題: {title}\n{text}'",)),
    Kind("gemma", "answer", "full"),
    Kind("llama", "tag", "lora", ("model.add_tokens=labels",)),
    Kind("llama", "classify", "full", ("model.add_tokens=labels",)),
    Kind("t5", "classify", "lora", ("model.add_tokens=labels", "task.system=絵文字で答える。")),
    Kind("t5", "answer", "lora"),
    Kind("mt5", "classify", "lora", ("model.add_tokens=labels",)),
    Kind("t5", "tag", "full", ("evaluate.decoding.beams=2",)),
    Kind("bert", "classify", "lora"),
    Kind("bert", "tag", "lora"),
    Kind("bert", "tag", "full"),
    Kind("gemma", "classify", "lora", ("model.family=encoder", "name=gemma_head")),
)


EMOJI = ("🌧️", "😂", "🇯🇵")
"""None is one token of the tiny models, and the first is of two characters."""

MADE = tuple((said, e) for e, known in zip(EMOJI, TEXTS, strict=True) for said in TEXTS[known])


def gold(task: str, emoji: str, number: int) -> Any:
    """What the row of this number is to be answered."""
    if task == "answer":
        return f"{emoji}です。"
    both = [emoji, EMOJI[number % 3]] if number % 2 else [emoji]
    return both if task == "tag" else emoji


def run(kind: Kind, folder: Path) -> Path:
    """Tune a model of this kind; the folder of its run."""
    folder.mkdir(exist_ok=True)
    base = folder / f"base-{kind.model}"
    if not base.exists():
        make_mt5(base) if kind.model == "mt5" else save_tiny(kind.model, base)
    rows = [
        {"text": said, "title": f"第{n}話", "label": gold(kind.task, emoji, n)}
        for n, (said, emoji) in enumerate(MADE)
    ]
    data = folder / f"{kind.task}.jsonl"
    data.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    config = folder / "config.yaml"
    rate = 0.005 if kind.tuning == "lora" else 0.002
    known = "" if kind.task == "answer" else ", labels: {kind: emoji}"
    config.write_text(
        f"name: {kind.name}\n"
        f"task: {{kind: {kind.task}{known}}}\n"
        f"data: {{train: {data.name}, split: {{train: 0.5, validation: 0.25, test: 0.25}}}}\n"
        f"model: {{id: {base.name}}}\n"
        f"tuning: {{kind: {kind.tuning}}}\n"
        f"train: {{epochs: 2, learning_rate: {rate}, precision: fp32}}\n"
        "evaluate: {bootstrap: 100, max_new_tokens: 5, baselines: []}\n",
        "utf-8",
    )
    return experiment.run(config, kind.more, folder / "out", Silent()).folder


def recorded(kind: Kind, folder: Path) -> list[dict[str, Any]]:
    """The test rows as they were asked, with the tuned model's answers."""
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").open(encoding="utf-8")]
    asked = []
    for row in rows:
        # Of what a model writes, the text: the card leaves it to the reader to take it apart.
        told = row["systems"]["tuned"]
        said = told["labels"] if kind.model == "bert" else told["generated"]
        said = told["label"] if kind.task == "classify" else said
        number = next(n for n, (text, _) in enumerate(MADE) if row["text"].endswith(text))
        columns = {"title": f"第{number}話"}
        asked.append({"text": MADE[number][0], "columns": columns, "answer": said})
    return asked


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Each kind's card, its questions with the recorded answers, and what plain code answers."""
    here, there = (tmp_path_factory.mktemp(name) for name in ("here", "there"))
    wanted: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_ask_fresh_process", ask_forked_process)
        for kind in KINDS:
            found = run(kind, here)
            card = (found / "model" / "README.md").read_text("utf-8")
            merged = MERGE.search(card)
            if merged:
                patch.chdir(found)
                exec(merged[1], {})  # noqa: S102
            wanted.append(
                {
                    "kind": kind.name,
                    "card": card,
                    "run": str(there / "runs" / found.name),
                    "rows": recorded(kind, found),
                    "merged": merged is not None,
                    "here": str(here),
                }
            )
            patch.chdir(here)
    for one in here.iterdir():
        shutil.move(one, there / ("runs" if one.name == "out" else one.name))
    script = there / "wanted.json"
    script.write_text(json.dumps(wanted), "utf-8")
    hidden = ("PYTHONPATH", "HF_", "KUNREN", "XDG_CACHE_HOME", "TRANSFORMERS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    empty = tmp_path_factory.mktemp("empty")
    cache = {"HF_HOME": str(empty), "KUNREN_HOME": str(empty), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-I", str(HERE), str(script), str(there)],
        capture_output=True, text=True, check=False, env=kept | cache, cwd=there,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return [one | answers for one, answers in zip(wanted, said, strict=True)]


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_plain_code_gives_the_recorded_answers(number: int, asked: list[dict[str, Any]]) -> None:
    one = asked[number]
    wanted = [row["answer"] for row in one["rows"]]
    assert len(wanted) == 6
    assert one["said"] == wanted
    if one["merged"]:
        assert one["said_merged"] == wanted


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_a_card_tells_what_the_record_says(number: int, asked: list[dict[str, Any]]) -> None:
    kind, card = KINDS[number], asked[number]["card"]
    header = card.split("---\n")[1].splitlines()
    assert "language: ja" in header
    assert f"library_name: {'peft' if kind.tuning == 'lora' else 'transformers'}" in header
    assert not any(line.startswith(("license", "base_model")) for line in header)  # not known
    assert "学習後" in card
    assert "学習 12 件" in card
    assert not re.search(r"['`\"]/\w", card)  # a path from the root
    assert (f"base = 'base-{kind.model}'" in card) is (kind.tuning == "lora")


def test_nothing_but_kunrens_own_file_names_the_machine(asked: list[dict[str, Any]]) -> None:
    for one in asked:
        for path in (Path(one["run"]) / "model").glob("*"):
            if path.name != "kunren_model.json":
                assert one["here"].encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("kind", "id_", "origin", "more"),
    [
        ("hub", "someone/jp-gemma", "someone/jp-gemma", "    revision='1f9a',"),
        ("package", "package:gemma-3-270m", "google/gemma-3-270m", "license: gemma"),
        ("gguf", "/home/hanako/jp.gguf", None, "GGUF ファイル jp.gguf"),
    ],
)
def test_a_card_names_the_base_as_others_find_it(
    kind: str, id_: str, origin: str | None, more: str, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(asked[0]["run"], tmp_path / "run"))
    edits: dict[str, Callable[[Any], None]] = {
        "manifest.json": lambda said: said["model"].update(kind=kind),
        "model/kunren_model.json": lambda said: said.update(
            base={"id": id_, "revision": "main", "trust_remote_code": False},
            base_provenance={"commit": "1f9a"},
        ),
    }
    for name, edit in edits.items():
        said = json.loads((run / name).read_text("utf-8"))
        edit(said)
        (run / name).write_text(json.dumps(said), "utf-8")
    render(run)
    card = (run / "model" / "README.md").read_text("utf-8")
    assert more in card
    assert (f"base_model: {origin}" in card) is (origin is not None)
    assert "/home" not in card
    assert ("merge_and_unload" in card) is (kind != "hub")


def test_the_sides_of_the_answers(asked: list[dict[str, Any]]) -> None:
    """The runs are no proof if all their answers are alike or empty."""
    for one in asked:
        assert any(row["answer"] for row in one["rows"]), one["kind"]
