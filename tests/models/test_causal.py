from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kunren.config.schema import Decoding, ModelConfig
from kunren.models import Weight
from kunren.models.causal import Causal
from kunren.models.load import Loaded, load
from kunren.progress import Silent
from kunren.types import Example, Item, Message, Row, Where

LABELS = ("😀", "😢", "日本", "日本語", "今天", "気!")
PLAIN = (
    "{% for m in messages %}{{ '### ' + m['role'] + ':\\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def family(tiny_model: Path) -> Causal:
    return Causal(load(ModelConfig(id=str(tiny_model), family="causal"), "fp32", Silent()))


def row(*turns: str) -> Row:
    """A conversation that begins with the user, who takes turns with the assistant."""
    roles = ("user", "assistant")
    messages = [Message(roles[n % 2], said) for n, said in enumerate(turns)]  # type: ignore[arg-type]
    return Row("r", (Message("system", "絵文字で"), *messages), Where("x", 1))


def item(number: int, *turns: str) -> Item:
    return Item(str(number), str(number), row(*turns).messages, "😀")


def items_of(made: Row) -> list[Item]:
    turns = [n for n, message in enumerate(made.messages) if message.role == "assistant"]
    return [
        Item(f"{made.id}#{n}", made.id, made.messages[:turn], made.messages[turn].content)
        for n, turn in enumerate(turns, start=1)
    ]


def encoded(family: Causal, rows: Sequence[Row], weight: Weight | None = None) -> list[Example]:
    made = family.encode(rows, [item for row in rows for item in items_of(row)], weight)
    assert all(isinstance(example, Example) for example in made)
    return made  # type: ignore[return-value]


def spoken(family: Causal, made: Row) -> list[tuple[str, bool]]:
    (example,) = encoded(family, [made])
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
        (example,) = encoded(family, [row(*turns, "😢")])
        assert list(example.input_ids[: len(prompt)]) == prompt
        assert not example.trained[len(prompt) - 1]
        assert example.trained[len(prompt)]


def test_a_template_whose_answers_end_in_eos(tiny_model: Path) -> None:
    loaded = load(ModelConfig(id=str(tiny_model), family="causal"), "fp32", Silent())
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
        answered = Row("r", (*asked, Message("assistant", "本")), Where("x"))
        (example,) = encoded(family, [answered])
    finally:
        family.tokenizer.chat_template = kept
    assert list(example.input_ids[: len(prompt)]) == prompt
    assert example.trained[: len(prompt)] == (False,) * len(prompt)
    assert all(example.trained[len(prompt) :])


def test_each_answer_and_its_end_weigh_what_their_item_weighs(family: Causal) -> None:
    rows = [
        replace(row("いい", "😀", "でも", "日本語"), id="a"),
        replace(row("え", "😢"), id="b"),
    ]
    weights = {"😀": 0.5, "日本語": 2.0, "😢": 3.0}
    plain = encoded(family, rows)
    weighed = encoded(family, rows, lambda item: weights[item.answer])
    assert [replace(example, weights=()) for example in weighed] == plain
    counted = [
        [w for w, trained in zip(e.weights, e.trained, strict=True) if trained] for e in weighed
    ]
    assert counted == [[0.5, 0.5, 2.0, 2.0, 2.0], [3.0, 3.0]]  # 日本, 語 and the end of the turn
    assert {w for e in weighed for w, t in zip(e.weights, e.trained, strict=True) if not t} == {0.0}


def test_items_that_are_not_the_rows_own_are_refused(family: Causal) -> None:
    made = row("いい", "😀", "でも", "日本語")
    with pytest.raises(ValueError, match="1 items for 2 answers"):
        family.encode([made], items_of(made)[:1], lambda _: 1.0)


def test_the_tokens_of_an_answer_are_counted_with_its_end(family: Causal) -> None:
    assert family.tokens(["😀", "日本語", "😀😢😡"]) == [2, 3, 4]


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
        assert prediction.labels == (LABELS[int(np.argmax(prediction.probabilities))],)
    assert [p.item_id for p in predictions] == ["1", "2", "3"]


def test_an_untuned_causal_model_just_answers(family: Causal) -> None:
    items = [item(n, "いい天気" * n) for n in range(1, 4)]
    with Silent().stage("", None) as task:
        answered = family.predict(items, LABELS, 2, task)
        assert family.predict_untuned(items[:1], items, LABELS, 2, task) == answered


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
    assert "".join(family.stream(asked.context, 8, do_sample=False)).strip() == whole.text


def test_what_is_written_tells_whether_the_model_ended_it(family: Causal) -> None:
    asked = item(1, "いい天気")
    stops = Causal(family.loaded)
    stops.__dict__["end_tokens"] = [_next_token(family, family.prompt(asked.context))]
    with Silent().stage("", None) as task:
        said = [one.generate([asked], 8, 1, task)[0].ended for one in (family, stops)]
    assert said == [False, True]
    streams = [one.stream(asked.context, 8, do_sample=False) for one in (family, stops)]
    assert [_value(stream) for stream in streams] == [False, True]


def _next_token(family: Causal, prompt: list[int]) -> int:
    with torch.inference_mode():
        logits = family.loaded.model(input_ids=torch.tensor([prompt])).logits
    return int(logits[0, -1].argmax())


def _value(stream: Any) -> bool:
    """What a generator returns."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return bool(end.value)


def test_a_stream_that_is_left_ends_its_thread(family: Causal) -> None:
    import threading

    before = threading.active_count()
    stream: Any = family.stream(item(1, "いい天気").context, 10_000, do_sample=False)
    next(stream)
    stream.close()
    assert threading.active_count() == before


def write(family: Causal, decoding: Decoding | None, batch_size: int = 2) -> list[str]:
    items = [item(n, "いい天気" * n) for n in range(1, 5)]
    with Silent().stage("", None) as task:
        return [w.text for w in family.generate(items, 6, batch_size, task, decoding)]


def test_sampling_depends_on_its_seed_alone_and_leaves_no_trace(family: Causal) -> None:
    drawn = Decoding(sample=True, temperature=1.5, seed=3)
    torch.manual_seed(0)
    first = write(family, drawn)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), after)
    assert write(family, drawn) == first  # although something else has been drawn
    assert write(family, drawn.model_copy(update={"seed": 4})) != first
    assert write(family, None) != first


def test_sampling_from_one_token_is_greedy(family: Causal) -> None:
    greedy = write(family, None)
    assert write(family, Decoding(sample=True, top_k=1)) == greedy
    assert write(family, Decoding(sample=True, top_p=1e-6)) == greedy
    assert write(family, Decoding(sample=True, temperature=1e-4)) == greedy
    assert write(family, Decoding()) == greedy


def test_the_penalty_is_for_what_was_written_and_not_for_the_prompt() -> None:
    from kunren.models.writing import _options

    (penalty,) = _options(Decoding(repetition_penalty=2.0), written_from=3)["logits_processor"]
    said = torch.tensor([[4, 5, 6, 7]])
    scores = torch.ones(1, 10)
    assert penalty(said, scores)[0].tolist() == [1, 1, 1, 1, 1, 1, 1, 0.5, 1, 1]


def test_a_penalty_below_one_repeats_the_first_token_written(family: Causal) -> None:
    plain = write(family, Decoding())
    assert all(len(set(said)) > 1 for said in plain)
    # A token of the prompt would be preferred from the start, if those counted.
    repeated = write(family, Decoding(repetition_penalty=1e-6))
    assert [set(said) for said in repeated] == [{said[0]} for said in plain]


def test_a_published_generation_config_does_not_change_how_is_written(family: Causal) -> None:
    greedy = write(family, None)
    own = family.loaded.model.generation_config
    kept = own.to_dict()
    try:
        own.update(do_sample=True, temperature=0.3, top_k=3, top_p=0.5, num_beams=3)
        own.update(repetition_penalty=9.0, min_length=50, no_repeat_ngram_size=1)
        assert write(family, None) == greedy
    finally:
        own.update(**kept)


_ZEPHYR = (  # as TinyLlama-1.1B-Chat publishes it
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
    "{% endfor %}"
)
_QWEN = (  # as Qwen 2.5 publishes it, without tools
    "{%- if messages[0]['role'] == 'system' %}\n"
    "    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}\n"
    "{%- else %}\n"
    "    {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}\n"
    "{%- endif %}\n{%- for message in messages %}\n"
    "    {%- if (message.role == 'user') or (message.role == 'assistant') %}\n"
    "        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}\n"
    "    {%- endif %}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\n' }}\n{%- endif %}\n"
)
_NO_SYSTEM = (
    "{%- if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
_DROPS_SYSTEM = "{%- set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"


def llama_like(template: str) -> Causal:
    """SentencePiece BPE as TinyLlama's: a ▁ in front of each text, and of what follows </s>."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    special = ["<unk>", "<s>", "</s>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    vocabulary = {piece: n for n, piece in enumerate([*pieces, *"いい天気"])}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(special)
    return _around(backend, template, eos_token="</s>", bos_token="<s>", unk_token="<unk>")


def qwen_like(template: str) -> Causal:
    """Byte-level BPE without a first token, whose turns end in <|im_end|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(special)
    return _around(backend, template, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def _around(backend: Any, template: str, **special: str) -> Causal:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    tokenizer = make(tokenizer_object=backend, chat_template=template, **special)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    device = torch.device("cpu")
    return Causal(Loaded(LlamaForCausalLM(config), tokenizer, device, torch.float32, "x", {}))


def trained_text(family: Causal, made: Row) -> str:
    (example,) = encoded(family, [made])
    return str(
        family.tokenizer.decode(
            [i for i, t in zip(example.input_ids, example.trained, strict=True) if t]
        )
    )


@pytest.mark.parametrize(
    ("family", "end"),
    [(llama_like(_ZEPHYR), "</s>"), (qwen_like(_QWEN), "<|im_end|>")],
    ids=["llama", "qwen"],
)
class TestFamiliesOfTemplates:
    def test_the_system_prompt_has_a_turn_of_its_own(self, family: Causal, end: str) -> None:
        said = family.tokenizer.decode(family.prompt(row("いい天気").messages))
        assert "絵文字で" + end in said.replace(" ", "")
        assert said.count("絵文字で") == 1

    @pytest.mark.parametrize("without", [_NO_SYSTEM, _DROPS_SYSTEM])
    def test_without_a_system_role_it_opens_the_first_user_turn(
        self, family: Causal, end: str, without: str
    ) -> None:
        kept = family.tokenizer.chat_template
        family.tokenizer.chat_template = without + kept
        try:
            said = family.tokenizer.decode(family.prompt(row("いい天気", "😀", "え").messages))
            merged = family.tokenizer.decode(
                family.prompt(
                    (Message("user", "絵文字で\n\nいい天気"), *row("", "😀", "え").messages[2:])
                )
            )
        finally:
            family.tokenizer.chat_template = kept
        assert said == merged
        assert "絵文字で\n\nいい天気" + end in said

    def test_every_answer_is_trained_with_its_end_and_nothing_else(
        self, family: Causal, end: str
    ) -> None:
        assert (
            trained_text(family, row("いい", "天気 😀", "え", "👨‍👩‍👧"))
            == f"天気 😀{end}👨‍👩‍👧{end}"
        )
        assert family.tokenizer.convert_tokens_to_ids(end) in family.end_tokens

    def test_what_is_asked_is_what_was_trained(self, family: Causal, end: str) -> None:
        for turns in (("いい",), ("いい", "😀", "え")):
            prompt = family.prompt(row(*turns).messages)
            (example,) = encoded(family, [row(*turns, "天気")])
            assert list(example.input_ids[: len(prompt)]) == prompt
            assert not any(example.trained[len(prompt) - 1 : len(prompt)])
            assert example.trained[len(prompt)]
            assert family.tokenizer.decode(example.input_ids[-1:]) == end
