from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kunren.config.schema import Decoding, ModelConfig
from kunren.errors import InputError
from kunren.models import family_class, scratch, seq2seq
from kunren.models.load import Loaded, load
from kunren.models.seq2seq import Seq2Seq, as_text
from kunren.progress import Silent
from kunren.types import Item, Message, PairExample, Written

TEXTS = (
    "今日はいい天気ですね。",
    "とても悲しい出来事があった",
    "日本語の文",
    "えっ、本当？ 気!",
    "😀😢🇯🇵",
)
LABELS = ("😀", "😢", "日本", "日本語", "今天", "👨‍👩‍👧", "🇯🇵", "気!")


def said(*turns: str, system: str | None = None) -> tuple[Message, ...]:
    """A conversation that begins with the user, who takes turns with the assistant."""
    head = () if system is None else (Message("system", system),)
    roles = ("user", "assistant")
    return (*head, *(Message(roles[n % 2], t) for n, t in enumerate(turns)))  # type: ignore[arg-type]


def item(number: int, *turns: str, answer: str = "😀") -> Item:
    return Item(f"i{number}", f"r{number}", said(*turns), answer)


ITEMS = [
    item(1, "今日はいい天気ですね。"),
    item(2, "え"),
    item(3, "とても長い文をここに書きますが、まだ続きます。"),
    item(4, "え", "😀", "でも悲しい"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUNREN_HOME", str(tmp_path_factory.mktemp("home")))
        yield scratch.build("t5-small", TEXTS)


def make_t5(folder: Path) -> Seq2Seq:
    from transformers import T5Config, T5ForConditionalGeneration

    make: Any = T5Config
    return _family(
        folder,
        T5ForConditionalGeneration,
        lambda size: make(
            vocab_size=size, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2,
            pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        ),
    )  # fmt: skip


def make_bart(folder: Path) -> Seq2Seq:
    """Positions are learned, and the decoder begins with the token that ends a text."""
    from transformers import BartConfig, BartForConditionalGeneration

    return _family(
        folder,
        BartForConditionalGeneration,
        lambda size: BartConfig(
            vocab_size=size, d_model=16, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
            max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=1,
            decoder_start_token_id=1, forced_eos_token_id=None,
        ),
    )  # fmt: skip


def _family(folder: Path, model_class: Any, config: Any) -> Seq2Seq:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = model_class(config(len(tokenizer))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5 if model_class.__name__.startswith("T5") else 8)
    return Seq2Seq(Loaded(model, tokenizer, torch.device("cpu"), torch.float32, "tiny", {}))


@pytest.fixture(scope="module", params=[make_t5, make_bart], ids=["t5", "bart"])
def family(request: pytest.FixtureRequest, folder: Path) -> Seq2Seq:
    made: Seq2Seq = request.param(folder)
    return made


def pairs(family: Seq2Seq, items: Sequence[Item], weight: Any = None) -> list[PairExample]:
    made = family.encode([], items, weight)
    assert all(isinstance(example, PairExample) for example in made)
    return made  # type: ignore[return-value]


def test_a_single_user_turn_is_read_as_it_is() -> None:
    assert as_text(said("いい天気\nですね")) == "いい天気\nですね"


def test_a_system_prompt_stands_on_a_line_before() -> None:
    assert as_text(said("いい天気", system="絵文字で")) == "絵文字で\nいい天気"


def test_several_turns_are_a_line_each_with_who_speaks() -> None:
    assert as_text(said("え", "😀", "でも", system="絵文字で")) == (
        "絵文字で\nユーザー: え\nアシスタント: 😀\nユーザー: でも"
    )


def test_the_table_of_families_finds_it() -> None:
    assert family_class("seq2seq") is Seq2Seq


def test_every_item_is_a_pair_that_ends_and_holds_nothing_else(family: Seq2Seq) -> None:
    items = [item(1, "いい天気", answer=" 👨‍👩‍👧 \n"), item(2, "え", "😀", "でも", answer="日本語")]
    first, second = pairs(family, items)
    decode = family.tokenizer.decode
    end = family.end_token
    assert decode(first.input_ids) == "いい天気</s>"
    assert first.input_ids[-1] == first.target_ids[-1] == end == 1
    assert decode(first.target_ids[:-1]) == "👨‍👩‍👧"
    assert decode(second.input_ids) == "ユーザー: え\nアシスタント: 😀\nユーザー: でも</s>"
    assert decode(second.target_ids) == "日本語</s>"
    assert [first.row_id, second.row_id] == ["r1", "r2"]
    assert [first.weight, second.weight] == [1.0, 1.0]


def test_an_item_weighs_what_it_is_given(family: Seq2Seq) -> None:
    weighed = pairs(family, ITEMS, lambda asked: float(asked.id[1:]))
    assert [example.weight for example in weighed] == [1, 2, 3, 4]


def test_a_target_has_one_end_whatever_the_tokenizer_puts_there(family: Seq2Seq) -> None:
    class AddsALanguage:
        eos_token_id = 1

        def __init__(self, adds: list[int]) -> None:
            self.adds = adds

        def __call__(self, *, text_target: list[str], **_: Any) -> dict[str, list[list[int]]]:
            return {"input_ids": [[7, 8, *self.adds] for _ in text_target]}

    for adds in ([], [1], [1, 9]):
        loaded = replace(family.loaded, tokenizer=AddsALanguage(adds))  # type: ignore[arg-type]
        assert Seq2Seq(loaded).targets(["a"]) == [[7, 8, 1]]


def test_a_published_t5_comes_with_a_sentencepiece_file_alone(
    family: Seq2Seq, tmp_path: Path
) -> None:
    """As sonoisa/t5-base-japanese does: NFKC, a ▁ in front of each word, no emoji, no bytes."""
    import sentencepiece
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    (tmp_path / "texts.txt").write_text("\n".join(TEXTS[:4] * 8), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "texts.txt"), model_prefix=str(tmp_path / "spiece"), vocab_size=60,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_tokens([AddedToken(emoji, normalized=False) for emoji in ("😀", "👨‍👩‍👧")])
    published = Seq2Seq(replace(family.loaded, tokenizer=tokenizer))
    answers = ["日本語", "😀", "😀👨‍👩‍👧", "今日は", "天気 日本"]
    targets = published.targets(answers)
    assert [published._writer._decode(torch.tensor(ids)).strip() for ids in targets] == answers
    assert all(ids[-1] == 1 and ids.count(1) == 1 for ids in targets)
    assert published.tokens(["😀"]) == [2]
    assert published.prompts([item(1, "今日は")]) == [tokenizer("今日は")["input_ids"]]


def test_tokens_count_the_end(family: Seq2Seq) -> None:
    ids = family.targets(LABELS)
    assert family.tokens(LABELS) == [len(label) for label in ids]
    assert family.tokens(["😀"]) == [2]
    assert family.tokens([]) == []


def test_a_model_without_an_end_is_refused(family: Seq2Seq) -> None:
    class Endless:
        eos_token_id = None

    config = type(family.loaded.model.config)(eos_token_id=None)
    model = type("M", (), {"config": config})()
    broken = Seq2Seq(replace(family.loaded, model=model, tokenizer=Endless()))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        broken.targets(["a"])


def reference(family: Seq2Seq, asked: Item, label: str, end: bool) -> float:
    """Log-probability of a label, token by token, from a forward pass of its own."""
    (read,), (tokens,) = family.prompts([asked]), family.targets([label])
    tokens = tokens if end else tokens[:-1]
    with torch.inference_mode():
        logits = family.loaded.model(
            input_ids=torch.tensor([read]),
            decoder_input_ids=torch.tensor([[family.start_token, *tokens[:-1]]]),
        ).logits[0]
    return float(logits.log_softmax(-1)[range(len(tokens)), tokens].sum())


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("bytes_at_once", [1, 2**28])
@pytest.mark.parametrize(
    ("labels", "end"),
    [(LABELS, True), (("👨‍👩‍👧", "👨‍👩‍👦", "今日"), False), (("😀", "😢"), False)],
    ids=["nested", "several tokens", "one token"],
)
def test_scores_are_those_of_each_label_on_its_own(
    family: Seq2Seq,
    labels: tuple[str, ...],
    end: bool,
    batch_size: int,
    bytes_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seq2seq, "_BYTES", bytes_at_once)  # 1: one row of the decoder at a time
    with Silent().stage("", None) as task:
        scores = family.score(ITEMS, labels, batch_size, task)
    expected = [[reference(family, asked, label, end) for label in labels] for asked in ITEMS]
    assert np.std(expected) > 0.1  # otherwise this shows nothing
    np.testing.assert_allclose(scores, expected, atol=2e-4)


def test_the_encoder_reads_each_item_once(family: Seq2Seq, monkeypatch: Any) -> None:
    monkeypatch.setattr(seq2seq, "_BYTES", 1)
    read: list[int] = []
    hook = family.loaded.model.get_encoder().register_forward_hook(
        lambda _module, _args, _kwargs, out: read.append(len(out[0])), with_kwargs=True
    )
    try:
        with Silent().stage("", None) as task:
            family.predict(ITEMS, LABELS, 3, task)
    finally:
        hook.remove()
    assert read == [3, 1]


class _Counting:
    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, by: float = 1.0) -> None:
        self.done += by

    def note(self, said: str) -> None:
        raise AssertionError(said)


def test_probabilities_sum_to_one_and_name_the_best(family: Seq2Seq) -> None:
    task = _Counting()
    predictions = family.predict(ITEMS, LABELS, 2, task)
    for prediction in predictions:
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert prediction.probability == max(prediction.probabilities)
        assert prediction.labels == (LABELS[int(np.argmax(prediction.probabilities))],)
    assert [p.item_id for p in predictions] == [asked.id for asked in ITEMS]
    assert task.done == len(ITEMS)
    assert family.predict_untuned(ITEMS[:1], ITEMS, LABELS, 2, task) == predictions
    assert family.predict([], LABELS, 2, task) == []


def write(
    family: Seq2Seq, decoding: Decoding | None = None, batch_size: int = 4, most: int = 6
) -> list[str]:
    with Silent().stage("", None) as task:
        return [w.text for w in family.generate(ITEMS, most, batch_size, task, decoding)]


def test_generation_is_the_same_in_a_batch_and_alone(family: Seq2Seq) -> None:
    together = write(family)
    assert write(family, batch_size=1) == together
    assert any(together)
    assert write(family, Decoding()) == together


def test_a_text_is_written_as_the_decoder_would_choose_each_token(family: Seq2Seq) -> None:
    (read,) = family.prompts([ITEMS[0]])
    written = [family.start_token]
    with torch.inference_mode():
        for _ in range(6):
            logits = family.loaded.model(
                input_ids=torch.tensor([read]), decoder_input_ids=torch.tensor([written])
            ).logits[0, -1]
            written.append(int(logits.argmax()))
            if written[-1] == family.end_token:
                break
    expected = family.tokenizer.decode(written[1:], skip_special_tokens=True).strip()
    assert write(family)[0] == expected


def test_sampling_depends_on_its_seed_alone_and_leaves_no_trace(family: Seq2Seq) -> None:
    drawn = Decoding(sample=True, temperature=2.0, seed=3)
    torch.manual_seed(0)
    first = write(family, drawn)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), after)
    assert write(family, drawn) == first  # although something else has been drawn
    assert write(family, drawn.model_copy(update={"seed": 4})) != first
    assert write(family, Decoding(sample=True, top_k=1)) == write(family)


def test_beams_find_what_greedy_search_misses(folder: Path) -> None:
    """Two tokens, beams wide enough to see all: what is found is the best of all pairs."""
    family = make_t5(folder)
    family.loaded.model.generation_config.eos_token_id = 1
    (read,) = family.prompts([ITEMS[2]])
    size = family.loaded.model.config.vocab_size

    def log_p(written: list[list[int]]) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = family.loaded.model(
                input_ids=torch.tensor([read]).repeat(len(written), 1),
                decoder_input_ids=torch.tensor([[0, *tokens] for tokens in written]),
            ).logits
        return logits[:, -1].log_softmax(-1)

    first = log_p([[]])[0]
    both = first[:, None] + log_p([[token] for token in range(size)])
    both[1] = -torch.inf  # it has ended
    best = int(both.argmax())
    greedy_first = int(first.argmax())
    assert divmod(best, size)[0] != greedy_first  # otherwise this shows nothing
    text = family.tokenizer.decode(list(divmod(best, size)), skip_special_tokens=True).strip()
    found = write(family, Decoding(beams=size - 1), batch_size=1, most=2)[2]
    assert first[1] < both.max() / 2  # ending at once would not be better a token
    assert found == text
    assert write(family, most=2)[2] != text


def test_a_stream_is_the_whole_answer(family: Seq2Seq) -> None:
    whole = write(family)[0]
    assert "".join(family.stream(ITEMS[0].context, 6, do_sample=False)).strip() == whole


def test_a_stream_that_is_left_ends_its_thread(family: Seq2Seq) -> None:
    before = threading.active_count()
    stream: Any = family.stream(ITEMS[0].context, 100, do_sample=False)
    next(stream, None)
    stream.close()
    assert threading.active_count() == before


def test_a_stream_tells_what_went_wrong(family: Seq2Seq) -> None:
    with pytest.raises(ValueError, match="num_beams"):
        list(family.stream(ITEMS[0].context, 4, do_sample=False, num_beams=2))


def test_an_adapted_model_is_asked_in_the_same_way(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model

    family = make_t5(folder)
    plain = family.predict(ITEMS, LABELS, 2, _Counting())
    written = write(family)
    lora = LoraConfig(task_type=Seq2Seq.peft_task, r=2, target_modules=["q", "v"])
    model = get_peft_model(family.loaded.model, lora).eval()  # adds nothing yet
    adapted = Seq2Seq(replace(family.loaded, model=model))
    for one, other in zip(plain, adapted.predict(ITEMS, LABELS, 2, _Counting()), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert write(adapted) == written


def test_training_makes_it_right(folder: Path) -> None:
    """A few steps on two items: what is read, written and scored belong together."""
    loaded = load(ModelConfig(id=str(folder), family="seq2seq"), "fp32", Silent())
    family = Seq2Seq(loaded)
    items = [item(1, "いい天気", answer="😀"), item(2, "悲しい", answer="👨‍👩‍👧")]
    optimizer = torch.optim.AdamW(loaded.model.parameters(), lr=1e-3)
    made = pairs(family, items)
    for step in range(30):
        example = made[step % 2]
        loss = loaded.model(
            input_ids=torch.tensor([example.input_ids]), labels=torch.tensor([example.target_ids])
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    predictions = family.predict(items, LABELS, 2, _Counting())
    assert [p.label for p in predictions] == ["😀", "👨‍👩‍👧"]
    with Silent().stage("", None) as task:
        said = family.generate(items, 30, 2, task)
        cut = family.generate(items, 1, 2, task)
    assert said == [Written("😀", ended=True), Written("👨‍👩‍👧", ended=True)]
    assert [one.ended for one in cut] == [False, False]


def test_what_tools_gave_back_is_read_as_a_line_of_its_own() -> None:
    turns = (
        Message("user", "天気は"),
        Message("assistant", "", weight=0, calls='[{"f": 1}]'),
        Message("tool", "晴れ"),
    )
    assert as_text(turns) == 'ユーザー: 天気は\nアシスタント: [{"f": 1}]\nツール: 晴れ'


def test_an_item_counts_what_it_weighs(family: Seq2Seq) -> None:
    made = [Item(str(n), str(n), (Message("user", "い"),), "😀", weight=n) for n in (1, 2)]
    weights = [example.weight for example in family.encode([], made)]  # type: ignore[union-attr]
    assert weights == [1, 2]
    weighed = family.encode([], made, lambda _: 0.5)
    assert [example.weight for example in weighed] == [0.5, 1]  # type: ignore[union-attr]
