"""Processor seconds of ``kunren check`` on many rows, each command a process of its own.

Processor time, so that others on the machine count less; OMP_NUM_THREADS=1 is set, or threads that
wait would be added up. The peer is the least that anyone has to do to say how many tokens the rows
have, in a process of its own too: import transformers' AutoTokenizer, read the JSON lines, and
encode every text. kunren does much more than that (near-duplicates, the split, 37 rules), and
encodes a part of the rows only, where there are many. Rows are made of the clauses of the shipped
examples, with names and numbers that no other row has; one row in fifty is another one, edited.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

DATA = Path(__file__).parent.parent / "examples" / "data"

_EDITED = 0.02
_NAMES = (
    "春夏秋冬東西南北山川海空花鳥風月木林森石田町村駅店犬猫魚肉米茶酒本紙電車道橋雨雪雲星光音色形"
)

_TASKS: Mapping[str, Mapping[str, object]] = {
    "classify": {"kind": "classify"},
    "tag": {"kind": "tag", "labels": {"kind": "emoji"}},
    "chat": {"kind": "classify", "labels": {"kind": "emoji"}},
    "answer": {"kind": "answer"},
}

_PEER = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
texts = ["\\n".join(m["content"] for m in row["messages"]) for row in rows]
print(sum(map(len, tokenizer(texts)["input_ids"])))
"""


def clauses(name: str, role: str = "user") -> list[str]:
    """What one side says in a shipped data set, cut at its commas and full stops."""
    rows = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    said = [
        *(m["content"] for row in rows for m in row.get("messages", ()) if m["role"] == role),
        *(row[key] for row in rows for key in ("text", "question") if key in row),
    ]
    return [
        part for text in said for part in re.split(r"(?<=[。！？、])|\s+", text) if len(part) > 2
    ]


class Writer:
    """Writes rows of one kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._chance = random.Random(0)
        self._made: list[str] = []
        names = {"classify": "headlines", "tag": "emoji_sets", "chat": "dialogues"}
        self._parts = clauses(f"{names.get(kind, 'company_qa')}.jsonl")
        self._emoji = [*dict.fromkeys(clauses_of_answers())]

    def row(self) -> dict[str, object]:
        """One conversation."""
        turns = self._chance.randint(1, 4) if self._kind == "chat" else 1
        messages = []
        for _ in range(turns):
            messages.append({"role": "user", "content": self._text()})
            messages.append({"role": "assistant", "content": self._answer()})
        return {"messages": messages}

    def _answer(self) -> str:
        if self._kind == "classify":
            return f"分野{self._chance.randint(1, 12)}"
        if self._kind == "tag":
            return "".join(self._chance.sample(self._emoji, self._chance.randint(1, 4)))
        if self._kind == "chat":
            return self._chance.choice(self._emoji)
        return "".join(self._chance.choices(self._parts, k=2)) + str(self._chance.randint(1, 9999))

    def _text(self) -> str:
        if self._made and self._chance.random() < _EDITED:
            letters = list(self._chance.choice(self._made))
            letters[self._chance.randrange(len(letters))] = self._chance.choice(_NAMES)
            return "".join(letters)
        parts = self._chance.choices(self._parts, k=self._chance.randint(2, 4))
        name = "".join(self._chance.choices(_NAMES, k=self._chance.randint(2, 4)))
        parts.insert(self._chance.randrange(len(parts)), f"{name}さんと")
        self._made.append("".join(parts))
        return self._made[-1]


def clauses_of_answers() -> list[str]:
    """The emoji that the shipped dialogues answer with."""
    lines = (DATA / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()
    messages = [m for line in lines for m in json.loads(line)["messages"]]
    return [m["content"] for m in messages if m["role"] == "assistant"]


def spent(command: Sequence[str]) -> tuple[float, float]:
    """Processor seconds and seconds of a command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    before, begun = os.times(), time.monotonic()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after, ended = os.times(), time.monotonic()
    used = after.children_user - before.children_user + after.children_system
    return used - before.children_system, ended - begun


def measure(kind: str, rows: int, model: str, folder: Path, rounds: int) -> None:
    """Both commands in turns; prints a line of the table."""
    data, config = folder / f"{kind}_{rows}.jsonl", folder / f"{kind}_{rows}.yaml"
    writer = Writer(kind)
    with data.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(writer.row(), ensure_ascii=False) + "\n" for _ in range(rows))
    said = {
        "name": kind,
        "task": _TASKS[kind],
        "data": {"train": data.name},
        "model": {"id": model},
    }
    config.write_text(yaml.safe_dump(said, allow_unicode=True), encoding="utf-8")
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(rounds):
        ours.append(spent([sys.executable, "-m", "kunren", "check", str(config)]))
        theirs.append(spent([sys.executable, "-c", _PEER, str(data), model]))
    (mine, whole), (other, _) = (
        [statistics.median(column) for column in zip(*taken, strict=True)]
        for taken in (ours, theirs)
    )
    print(
        f"| {kind} | {rows:,} | {mine:.1f} | {whole:.1f} | {rows / mine:,.0f} "
        f"| {other:.1f} | {mine / other:.1f} |",
        flush=True,
    )


def main() -> None:
    from kunren.config.schema import ModelConfig
    from kunren.models import sources
    from kunren.progress import Silent

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[250, 1_000, 10_000, 100_000])
    parser.add_argument("--tasks", nargs="+", choices=list(_TASKS), default=list(_TASKS))
    parser.add_argument("--model", default="package:gemma-3-270m")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    model = sources.locate(ModelConfig(id=chosen.model), Silent(), ())
    print(f"\n## kunren check, {chosen.model}\n")
    print("| task | rows | CPU s | seconds | rows/s of CPU | peer, CPU s | times the peer |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in chosen.tasks:
            for rows in chosen.rows:
                measure(kind, rows, str(model), Path(folder), chosen.rounds)


if __name__ == "__main__":
    main()
