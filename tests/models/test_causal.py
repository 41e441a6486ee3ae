from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kunren.config.schema import ModelConfig
from kunren.models.causal import Causal
from kunren.models.load import load
from kunren.progress import Silent
from kunren.types import Item, Message, Row, Where

LABELS = ("😀", "😢", "日本", "日本語", "今天", "気!")
PLAIN = (
    "{% for m in messages %}{{ '### ' + m['role'] + ':\\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def family(tiny_model: Path) -> Causal:
    return Causal(load(ModelConfig(id=str(tiny_model)), "fp32", Silent()))


def row(*turns: str) -> Row:
    """A conversation that begins with the user, who takes turns with the assistant."""
    roles = ("user", "assistant")
    messages = [Message(roles[n % 2], said) for n, said in enumerate(turns)]  # type: ignore[arg-type]
    return Row("r", (Message("system", "絵文字で"), *messages), Where("x", 1))


def item(number: int, *turns: str) -> Item:
    return Item(str(number), str(number), row(*turns).messages, "😀")


def spoken(family: Causal, made: Row) -> list[tuple[str, bool]]:
    (example,) = family.encode([made])
    words = [family.tokenizer.decode([token]) for token in example.input_ids]
    return list(zip(words, example.trained, strict=True))


def test_the_mask_covers_the_answer_and_the_end_of_the_turn_token_by_token(
    family: Causal,
) -> None:
    assert spoken(family, row("いい天気", "😀")) == [
        ("<bos>", False), ("<start_of_turn>", False),
        *((c, False) for c in "user"), ("\n", False),
        *_unknown(family, "絵文字で\n\nいい天気"),
        ("<end_of_turn>", False), ("\n", False), ("<start_of_turn>", False),
        *((c, False) for c in "model"), ("\n", False),
        ("😀", True), ("<end_of_turn>", True),
    ]  # fmt: skip


def _unknown(family: Causal, said: str) -> list[tuple[str, bool]]:
    """The tokens of a text that is not trained, as they decode one by one."""
    ids = family.tokenizer(said, add_special_tokens=False)["input_ids"]
    return [(family.tokenizer.decode([token]), False) for token in ids]


def test_a_multi_turn_row_trains_every_assistant_turn(family: Causal) -> None:
    words = spoken(family, row("いい", "😀", "でも", "日本語", "え", "😢"))
    trained = [word for word, is_trained in words if is_trained]
    end = "<end_of_turn>"
    assert trained == ["😀", end, "日本", "語", end, "😢", end]
    untrained_ends = [word for word, is_trained in words if word == end and not is_trained]
    assert len(untrained_ends) == 3  # those of the user


def test_white_space_around_an_answer_is_not_trained(family: Causal) -> None:
    assert spoken(family, row("あ", " 😀\n")) == spoken(family, row("あ", "😀"))


def test_training_and_asking_begin_with_the_same_tokens(family: Causal) -> None:
    for turns in (("あ",), ("あ", "😀", "い")):
        prompt = family.prompt(row(*turns).messages)
        (example,) = family.encode([row(*turns, "😢")])
        assert list(example.input_ids[: len(prompt)]) == prompt
        assert not example.trained[len(prompt) - 1]
        assert example.trained[len(prompt)]


def test_a_template_whose_answers_end_in_eos(tiny_model: Path) -> None:
    loaded = load(ModelConfig(id=str(tiny_model)), "fp32", Silent())
    loaded.tokenizer.chat_template = PLAIN
    family = Causal(loaded)
    words = spoken(family, row("あ", "😀", "い", "😢"))
    assert [w for w, is_trained in words if is_trained] == ["😀", "<eos>", "😢", "<eos>"]
    assert loaded.tokenizer.eos_token_id in family.end_tokens


def test_a_tokenizer_that_merges_across_the_cut_is_made_to_begin_anew(family: Causal) -> None:
    # 日 and 本 merge; a prompt that ends in 日 must stay as it is when the answer is 本.
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}{{ '<end_of_turn>' }}"
    kept = family.tokenizer.chat_template
    family.tokenizer.chat_template = template
    try:
        asked = (Message("user", "日"),)
        prompt = family.prompt(asked)
        (example,) = family.encode([Row("r", (*asked, Message("assistant", "本")), Where("x"))])
    finally:
        family.tokenizer.chat_template = kept
    assert list(example.input_ids[: len(prompt)]) == prompt
    assert example.trained[: len(prompt)] == (False,) * len(prompt)
    assert all(example.trained[len(prompt) :])


def reference(family: Causal, asked: Item, label: str) -> float:
    """Log-probability of a label, token by token, from a forward pass of its own."""
    prompt = family.prompt(asked.context)
    (tokens,) = family.label_tokens([label], asked.context)
    with torch.inference_mode():
        logits = family.loaded.model(torch.tensor([prompt + tokens])).logits[0]
    steps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return float(steps[range(len(tokens)), tokens].sum())


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_scores_are_those_of_each_label_on_its_own(family: Causal, batch_size: int) -> None:
    items = [item(1, "いい天気"), item(2, "さようなら、また"), item(3, "あ", "😀", "え")]
    with Silent().stage("", None) as task:
        scores = family.score(items, LABELS, batch_size, task)
    expected = [[reference(family, asked, label) for label in LABELS] for asked in items]
    # 日本 begins 日本語, so the end of the turn counts in all of them.
    np.testing.assert_allclose(scores, expected, atol=2e-4)


def test_probabilities_sum_to_one_and_name_the_best(family: Causal) -> None:
    items = [item(n, "いい天気" * n) for n in range(1, 4)]
    with Silent().stage("", None) as task:
        predictions = family.predict(items, LABELS, 2, task)
    for prediction in predictions:
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert prediction.probability == max(prediction.probabilities)
        assert prediction.label == LABELS[int(np.argmax(prediction.probabilities))]
    assert [p.item_id for p in predictions] == ["1", "2", "3"]


def test_nothing_to_predict_is_nothing(family: Causal) -> None:
    with Silent().stage("", None) as task:
        assert family.predict([], LABELS, 4, task) == []


class _Counting:
    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, by: float = 1.0) -> None:
        self.done += by

    def note(self, said: str) -> None:
        raise AssertionError(said)


def test_generation_is_the_same_in_a_batch_and_alone(family: Causal) -> None:
    items = [item(1, "いい"), item(2, "とても長い文をここに書きます。"), item(3, "あ")]
    task = _Counting()
    together = family.generate(items, 5, 3, task)
    alone = [family.generate([one], 5, 1, task)[0] for one in items]
    assert together == alone
    assert task.done == 6


def test_a_stream_is_the_whole_answer(family: Causal) -> None:
    asked = item(1, "いい天気")
    with Silent().stage("", None) as task:
        (whole,) = family.generate([asked], 8, 1, task)
    assert "".join(family.stream(asked.context, 8, do_sample=False)).strip() == whole


def test_a_stream_that_is_left_ends_its_thread(family: Causal) -> None:
    import threading

    before = threading.active_count()
    stream: Any = family.stream(item(1, "いい天気").context, 10_000, do_sample=False)
    next(stream)
    stream.close()
    assert threading.active_count() == before
