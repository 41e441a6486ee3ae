"""Data rules on whole experiments: shipped ones are well, planted faults are found and mended."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from tests.rules.made import POSTS

from kunren.check import evidence_of
from kunren.config.load import load
from kunren.data import audit
from kunren.doctor.engine import examine
from kunren.doctor.rules.data_personal import is_my_number, luhn
from kunren.doctor.table import DATA
from kunren.messages import catalogue, use_language
from kunren.plan import Plan, prepare

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
KANJI = [chr(0x4E00 + n) for n in range(60)]

Sets = Sequence[tuple[str, ...]]


def found(plan: Plan) -> dict[str, dict[str, Any]]:
    """What the data rules find in a plan, by slug."""
    findings = examine(evidence_of(plan, None), rules=DATA)["findings"]
    return {finding["slug"]: finding for finding in findings}


def planned(folder: Path, rows: Sequence[Mapping[str, Any]], task: str, *changes: str) -> Plan:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    text = (
        f"name: e\ntask: {task}\ndata: {{train: rows.jsonl}}\nmodel: {{id: package:gemma-3-270m}}\n"
    )
    (folder / "e.yaml").write_text(text, "utf-8")
    return prepare(load(folder / "e.yaml", list(changes)))


def patched(finding: Mapping[str, Any]) -> list[str]:
    """A finding's patch, as ``--set`` takes it."""
    return [f"{key}={json.dumps(value)}" for key, value in finding["fix"]["set"].items()]


def labelled(labels: Sequence[str | Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {"text": f"{POSTS[n % 400]} {n // 400 or ''}", "label": label}
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_shipped_examples_have_nothing_critical(name: str, tiny_model: Path) -> None:
    told = found(prepare(load(EXAMPLES / f"{name}.yaml", [f"model.id={tiny_model}"])))
    assert not [slug for slug, finding in told.items() if finding["severity"] == "critical"]
    assert set(told) <= {
        "even-labels", "few-rows", "low-density", "low-filter-rate", "personal-data", "single-turn",
        "small-test", "untested-labels",
    }  # fmt: skip


def seed_001() -> list[dict[str, Any]]:
    """1,000 rows and 296 emoji-like labels, ✨ on half of the rows: 4.5 times the second."""
    chance = random.Random(1)
    others = [chr(0x1F300 + n) for n in range(0x30, 0x60)]
    weights = [1 / (n + 5) for n in range(len(others))]
    sets = [
        [*(["✨"] if n % 2 else []), *dict.fromkeys(chance.choices(others, weights, k=2))]
        for n in range(1000)
    ]
    return labelled(["".join(labels) for labels in sets])


def single(*counts: int) -> list[dict[str, Any]]:
    names = [name for name, count in zip(KANJI, counts, strict=False) for _ in range(count)]
    random.Random(0).shuffle(names)
    return labelled(names)


EMOJI = "{kind: tag, labels: {kind: emoji}}"
FAULTS: list[tuple[str, str, list[dict[str, Any]], str]] = [
    ("dominant-label", "task.labels.ban", seed_001(), EMOJI),
    ("dominant-label", "train.loss.class_weights", single(300, 30, 30, 20, 20), "{kind: classify}"),
    ("low-density", "task.labels.top", single(60, 60, 50, 50, *([2] * 40)), "{kind: classify}"),
    ("small-test", "evaluate.cv", single(80, 60, 40, 40), "{kind: classify}"),
    (
        "control-tokens",
        "data.strip_marks",
        [{**row, "text": f"<|im_start|>user\n{row['text']}<|im_end|>"} for row in single(40, 40)],
        "{kind: classify}",
    ),
    (
        "unread-columns",
        "task.template",
        [
            {
                "premise": POSTS[n],
                "text": f"{POSTS[n // 4 * 4]}と言える",
                "label": ("はい", "いいえ")[n % 2],
            }
            for n in range(120)
        ],
        "{kind: classify}",
    ),
    (
        "label-variants",
        "task.labels.merge_skin_tones",
        labelled(list(islice(cycle(["👍", "👍🏻", "😢", "👏"]), 200))),
        "{kind: classify, labels: {kind: emoji}}",
    ),
]


@pytest.mark.parametrize(("slug", "key", "rows", "task"), FAULTS)
def test_a_patch_makes_its_finding_go_away(
    slug: str, key: str, rows: list[dict[str, Any]], task: str, tmp_path: Path
) -> None:
    before = found(planned(tmp_path, rows, task))
    assert set(before[slug]["fix"]["set"]) == {key}
    assert slug not in found(planned(tmp_path, rows, task, *patched(before[slug])))


FOLDS_FAULT = ("untested-labels", "evaluate.cv")


def test_labels_that_no_test_row_has_are_tested_by_folds(tmp_path: Path) -> None:
    """More labels than test rows, and six rows of each; all of them in the validation file too."""
    rows = single(*([6] * 30))
    held_out = [{"text": f"{KANJI[n]}の別の話", "label": KANJI[n]} for n in range(30)]
    lines = "".join(json.dumps(row) + "\n" for row in held_out)
    (tmp_path / "validation.jsonl").write_text(lines, "utf-8")
    files = ["data.validation=" + str(tmp_path / "validation.jsonl")]
    slug, key = FOLDS_FAULT
    before = found(planned(tmp_path, rows, "{kind: classify}", *files))
    assert set(before[slug]["fix"]["set"]) == {key}
    after = found(planned(tmp_path, rows, "{kind: classify}", *files, *patched(before[slug])))
    assert slug not in after


def test_check_digits() -> None:
    assert all(map(luhn, ["4242424242424242", "378282246310005", "4111111111111111"]))
    assert not any(map(luhn, ["4242424242424241", "0000000000000000"]))
    # 212 is what the weighted digits sum to: 212 mod 11 = 3, and 11 - 3 = 8.
    assert is_my_number("123456789018")
    assert not is_my_number("123456789010")
    assert sum(is_my_number(f"12345678901{n}") for n in range(10)) == 1


@pytest.mark.parametrize("language", ["ja", "en"])
def test_personal_data_is_never_quoted(language: Any, tmp_path: Path) -> None:
    secret = ["090-1234-5678", "hanako@hoshi-mail.jp", "4242-4242-4242-4242", "045-123-4567"]
    rows = labelled(["相談", "苦情"] * 20)
    rows += [{"text": f"連絡先は {value} です", "label": "相談"} for value in secret]
    use_language(language)
    finding = found(planned(tmp_path, rows, "{kind: classify}"))["personal-data"]
    use_language("ja")
    told = json.dumps(finding, ensure_ascii=False)
    assert not [value for value in secret if value in told]
    assert "045-***-****" in told


def test_what_several_rules_ask_for_is_worked_out_once() -> None:
    calls = []

    @audit.once
    def count(values: list[int]) -> int:
        calls.append(values)
        return len(values)

    one, equal = [1, 2], [1, 2]
    assert [count(one), count(one), count(equal)] == [2, 2, 2]
    assert len(calls) == 2  # an equal list is another one: it may change


def test_a_template_is_no_part_of_a_text() -> None:
    from tests.rules.made import items

    framed = items([(f"😀か😢を選ぶ: {post}。答え:", "😀") for post in POSTS[:30]])["train"]
    assert audit.inputs(framed)[:2] == [f"{post}。"[:-1] for post in POSTS[:2]]
    few = items([("あいう", "😀"), ("あいえ", "😢")])["train"]
    assert audit.inputs(few) == ["あいう", "あいえ"]


def test_every_message_is_in_both_languages_and_in_use() -> None:
    source = "\n".join(
        path.read_text("utf-8")
        for path in (Path(audit.__file__).parents[1] / "doctor" / "rules").glob("*.py")
        if path.stem.startswith(("data", "wording"))
    )
    for name, said in catalogue("rules_data").items():
        assert set(said) == {"ja", "en"}, name
        # Some names end with a variable: a kind, a side, what answers are.
        parts = name.split("-")
        stems = ["-".join(parts[:n]) for n in range(1, len(parts) + 1)]
        assert any(f"rules_data.{stem}" in source for stem in stems), name
