"""What a causal model reads of turns that weigh nothing, of reasoning, and of tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kunren.config.schema import ModelConfig, TaskConfig
from kunren.models.causal import Causal
from kunren.models.chat_template import reads_reasoning, reads_tools, render
from kunren.models.load import load
from kunren.progress import Silent
from kunren.tasks import make_task
from kunren.types import Example, Item, Message, Row, Where, Written

QWEN = (
    "{%- set ns = namespace(last=-1) -%}"
    "{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}"
    "{%- endif -%}{%- endfor -%}"
    "{%- for m in messages -%}"
    "{%- if m.role == 'assistant' -%}{{- '<start_of_turn>model\\n' -}}"
    "{%- if loop.index0 > ns.last and (loop.last or m.reasoning_content) -%}"
    "{{- '(あ\\n' + (m.reasoning_content or '') + '\\nい)\\n\\n' -}}{%- endif -%}"
    "{{- m.content -}}"
    "{%- for c in m.tool_calls or [] -%}{{- '!' + c.function.name + '!' -}}{%- endfor -%}"
    "{%- elif m.role == 'tool' -%}{{- '<start_of_turn>user\\n!' + m.content -}}"
    "{%- else -%}{{- '<start_of_turn>' + m.role + '\\n' + m.content -}}{%- endif -%}"
    "{{- '<end_of_turn>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}"
)
"""As Qwen 3 does it: reasoning before the last answer, calls behind an answer, tools as users."""

CALL = json.dumps([{"type": "function", "function": {"name": "日本", "arguments": {}}}])


@pytest.fixture(scope="module")
def gemma(tiny_model: Path) -> Causal:
    """Its template refuses what does not alternate, and knows neither reasoning nor tools."""
    return Causal(load(ModelConfig(id=str(tiny_model), family="causal"), "fp32", Silent()))


@pytest.fixture(scope="module")
def loaded_qwen(tiny_model: Path) -> Causal:
    made = load(ModelConfig(id=str(tiny_model), family="causal"), "fp32", Silent())
    made.tokenizer.chat_template = QWEN
    return Causal(made)


@pytest.fixture(params=["gemma", "qwen"])
def family(request: pytest.FixtureRequest, gemma: Causal, loaded_qwen: Causal) -> Causal:
    return gemma if request.param == "gemma" else loaded_qwen


def row(*messages: Message) -> Row:
    return Row("r", messages, Where("x", 1), chat=True)


def u(said: str) -> Message:
    return Message("user", said)


def items_of(made: Row) -> list[Item]:
    return make_task(TaskConfig(kind="answer")).items([made])


def example(family: Causal, made: Row) -> Example:
    (found,) = family.encode([made], items_of(made))
    assert isinstance(found, Example)
    return found


def parts(family: Causal, made: Row) -> list[tuple[str, bool]]:
    """The row as it is read, in runs of what is trained and what is not."""
    found = example(family, made)
    runs: list[tuple[list[int], bool]] = []
    for token, trained in zip(found.input_ids, found.trained, strict=True):
        if not runs or runs[-1][1] != trained:
            runs.append(([], trained))
        runs[-1][0].append(token)
    return [(family.tokenizer.decode(ids), trained) for ids, trained in runs]


# --- turns of weight 0 ---


def test_a_turn_of_weight_0_is_read_and_not_trained(family: Causal) -> None:
    turns = (
        u("いい"),
        Message("assistant", " 😢\n", weight=0),
        u("でも"),
        Message("assistant", "😀"),
    )
    found = parts(family, row(*turns))
    assert [trained for _, trained in found] == [False, True]
    assert "😢<end_of_turn>" in found[0][0]
    assert found[1][0].endswith("😀<end_of_turn>")
    # Token by token it is what is read where both turns are learnt, and asked likewise.
    both = row(turns[0], Message("assistant", "😢"), *turns[2:])
    assert example(family, row(*turns)).input_ids == example(family, both).input_ids
    (item,) = items_of(row(*turns))
    (prompt,) = family.prompts([item])
    assert tuple(prompt) == example(family, both).input_ids[: len(prompt)]


def test_other_weights_are_those_of_the_answer_and_its_end(family: Causal) -> None:
    turns = (u("い"), Message("assistant", "😀", weight=0.5), u("で"), Message("assistant", "😢"))
    found = example(family, row(*turns))
    pairs = zip(found.trained, found.weights, strict=True)
    assert [weight for trained, weight in pairs if trained] == [0.5, 0.5, 1, 1]
    made = family.encode([row(*turns)], items_of(row(*turns)), lambda item: 3 * item.weight + 1)
    assert isinstance(made[0], Example)
    assert max(made[0].weights) == 4
    plain = row(turns[0], Message("assistant", "😀"))
    assert example(family, plain).weights == ()


# --- reasoning ---

THINKING = row(u("いい"), Message("assistant", "😀", reasoning="日本"))


def test_reasoning_is_trained_where_the_template_has_a_place_for_it(loaded_qwen: Causal) -> None:
    assert loaded_qwen.reasons
    found = parts(loaded_qwen, THINKING)
    assert [trained for _, trained in found] == [False, True]
    assert found[0][0].endswith("<start_of_turn>model\n")
    assert found[1][0] == "(あ\n日本\nい)\n\n😀<end_of_turn>"
    (item,) = items_of(THINKING)
    assert item.thinks
    (prompt,) = loaded_qwen.prompts([item])
    trained = example(loaded_qwen, THINKING).trained
    assert len(prompt) == trained.index(True)
    assert prompt == loaded_qwen.prompt(item.context, thinks=True)


def test_without_reasoning_the_model_is_asked_without_it(loaded_qwen: Causal) -> None:
    plain = row(u("いい"), Message("assistant", "😀"))
    assert parts(loaded_qwen, plain)[1] == ("😀<end_of_turn>", True)
    (item,) = items_of(plain)
    assert loaded_qwen.tokenizer.decode(loaded_qwen.prompts([item])[0]).endswith("(あ\n\nい)\n\n")


def test_where_it_has_none_only_the_answer_is_trained(gemma: Causal) -> None:
    assert not gemma.reasons
    assert parts(gemma, THINKING)[1:] == [("😀<end_of_turn>", True)]


def test_an_answer_is_what_comes_after_the_reasoning(
    loaded_qwen: Causal, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["(あ\n日本\nい)\n\n😀", "(あ\n日本日本日本", "😢"]
    found = [Written(text, ended=n != 1) for n, text in enumerate(said)]
    monkeypatch.setattr("kunren.models.writing.Writer.write", lambda *_: found)
    asked = [Item(str(n), str(n), (u("い"),), "", thinks=n < 2) for n in range(3)]
    with Silent().stage("", None) as bar:
        answers = loaded_qwen.generate(asked, 8, 4, bar)
    assert [one.text for one in answers] == ["😀", said[1], "😢"]
    assert [one.ended for one in answers] == [True, False, True]


def test_a_task_of_labels_leaves_reasoning_out() -> None:
    for kind, kept in (("answer", "日本"), ("classify", ""), ("tag", "")):
        task = make_task(TaskConfig.model_validate({"kind": kind}))
        (made,) = task.prepare([THINKING])
        assert made.messages[1].reasoning == kept
        assert task.items([made])[0].thinks == bool(kept)


# --- tools ---

TOOLS = row(
    u("いい"),
    Message("assistant", "", weight=0, calls=CALL),
    Message("tool", "でも"),
    Message("assistant", "😀"),
)


def test_calls_and_what_they_gave_back_are_read_where_the_template_knows_tools(
    loaded_qwen: Causal,
) -> None:
    assert reads_tools(loaded_qwen.tokenizer)
    before, trained = parts(loaded_qwen, TOOLS)
    assert "!日本!" in before[0]
    assert "!でも" in before[0]
    assert trained == ("😀<end_of_turn>", True)


def test_they_are_left_out_where_it_does_not(gemma: Causal) -> None:
    assert not reads_tools(gemma.tokenizer)
    plain = row(TOOLS.messages[0], TOOLS.messages[3])
    assert parts(gemma, TOOLS) == parts(gemma, plain)
    # What the user says before and after is then one turn.
    said = render(gemma.tokenizer, (*TOOLS.messages[:3], u("え")), add_generation_prompt=True)
    assert "いい\nえ" in said


def test_calls_beside_an_answer_are_not_written(family: Causal) -> None:
    both = row(u("いい"), Message("assistant", "😀", calls=CALL))
    assert parts(family, both) == parts(family, row(u("いい"), Message("assistant", "😀")))


def test_a_template_that_is_not_asked_for_tools_or_reasoning_has_none(gemma: Causal) -> None:
    kept = gemma.tokenizer.chat_template
    try:
        gemma.tokenizer.chat_template = "{{ messages[0].nothing.at.all }}"
        assert not reads_tools(gemma.tokenizer)
        assert not reads_reasoning(gemma.tokenizer)
    finally:
        gemma.tokenizer.chat_template = kept
