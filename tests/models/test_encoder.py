from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models import tiny_encoders

from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models import make_family
from kunren.models.encoder import Encoder
from kunren.models.folder import load_tokenizer
from kunren.models.head import output_layer
from kunren.models.load import Head, load, load_weights
from kunren.models.probe import probe
from kunren.models.tokenizer_files import save_tokenizer
from kunren.progress import Silent
from kunren.types import Item, LabelExample, Message, Prediction, Row, Where

LABELS = ("喜", "怒", "哀", "楽")
TEXTS = ("いい天気", "あ", "さようなら、また。", "あいうえお" * 6, "日本", "ほんとう！")

Make = Callable[..., Encoder]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folders: dict[str, Path] = {}

    def made(kind: str, multi_label: bool = False, labels: Sequence[str] = LABELS) -> Encoder:
        if kind not in folders:
            folders[kind] = tiny_encoders.save(kind, tmp_path_factory.mktemp(kind))
        config = ModelConfig(id=str(folders[kind]), family="encoder")
        loaded = load(config, "fp32", head=Head(tuple(labels), multi_label))
        with torch.no_grad():  # a new head says nearly the same to everything
            for name, weight in loaded.model.named_parameters():
                if name in str(loaded.provenance["new_weights"]):
                    weight.mul_(20)
        return Encoder(loaded)

    return made


def item(number: int, text: str, *labels: str) -> Item:
    return Item(f"i{number}", f"r{number}", (Message("user", text),), "".join(labels), labels)


ITEMS = [item(n, text) for n, text in enumerate(TEXTS)]


def predict(
    family: Encoder, items: Sequence[Item], batch_size: int, labels: Sequence[str] = LABELS
) -> list[Prediction]:
    with Silent().stage("", None) as task:
        return family.predict(items, labels, batch_size, task)


def untuned(
    family: Encoder, train: Sequence[Item], labels: Sequence[str] = LABELS
) -> list[Prediction]:
    with Silent().stage("", None) as task:
        return family.predict_untuned(train, ITEMS, labels, 3, task)


def table(predictions: Sequence[Prediction]) -> Any:
    return np.array([p.probabilities for p in predictions])


def alone(family: Encoder, text: str) -> Any:
    """The logits of a text by itself: nothing is padded, nothing is masked."""
    ids = torch.tensor([family.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        return family.loaded.model(input_ids=ids).logits[0].double().numpy()


@pytest.mark.parametrize("kind", [*tiny_encoders.BIDIRECTIONAL, *tiny_encoders.CAUSAL])
@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_a_batch_says_what_each_text_says_alone(make: Make, kind: str, batch_size: int) -> None:
    family = make(kind)
    logits = np.array([alone(family, text) for text in TEXTS])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.ptp(expected, axis=0).max() > 0.01, "the texts must differ for the test to mean much"
    said = predict(family, ITEMS, batch_size)
    np.testing.assert_allclose(table(said), expected, atol=1e-5)
    assert [p.item_id for p in said] == [i.id for i in ITEMS]


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_what_else_is_in_the_batch_does_not_matter(make: Make, kind: str) -> None:
    family = make(kind)
    whole = table(predict(family, ITEMS, 6))
    some = table(predict(family, [ITEMS[4], ITEMS[1]], 6))
    np.testing.assert_allclose(some, whole[[4, 1]], atol=1e-5)


def test_one_label(make: Make) -> None:
    for prediction in predict(make("bert"), ITEMS, 4):
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert prediction.probability == max(prediction.probabilities)
        assert prediction.labels == (LABELS[int(np.argmax(prediction.probabilities))],)


@pytest.mark.parametrize("kind", ["bert", "gemma"])
def test_several_labels_stand_each_for_itself(make: Make, kind: str) -> None:
    family = make(kind, multi_label=True)
    logits = np.array([alone(family, text) for text in TEXTS])
    said = predict(family, ITEMS, 4)
    np.testing.assert_allclose(table(said), 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert said[0].probability == max(said[0].probabilities)


def test_probabilities_come_in_the_order_that_is_asked_for(make: Make) -> None:
    family = make("bert")
    asked = ("楽", "喜", "哀", "怒")
    straight, turned = predict(family, ITEMS, 4), predict(family, ITEMS, 4, asked)
    order = [LABELS.index(label) for label in asked]
    np.testing.assert_allclose(table(turned), table(straight)[:, order])
    assert [p.labels for p in turned] == [p.labels for p in straight]


def test_nothing_to_predict_is_nothing(make: Make) -> None:
    assert predict(make("bert"), [], 4) == []


def test_an_example_has_the_text_and_the_numbers_of_its_labels(make: Make) -> None:
    family = make("bert", multi_label=True)
    row = Row("r0", (Message("user", "いい"), Message("assistant", "怒、楽")), Where("x", 1))
    (example,) = family.encode([row], [item(0, "いい", "楽", "未知", "怒")])
    assert isinstance(example, LabelExample)
    assert example.row_id == "r0"
    assert example.labels == (3, 1)
    assert family.tokenizer.decode(example.input_ids) == "<bos>いい<eos>"


def test_a_label_that_the_head_does_not_know_leaves_none(make: Make) -> None:
    for multi_label in (False, True):
        (example,) = make("bert", multi_label=multi_label).encode([], [item(0, "いい", "未知")])
        assert isinstance(example, LabelExample)
        assert (example.labels, example.counted) == ((), False)


def test_an_empty_set_is_counted_and_items_weigh(make: Make) -> None:
    items = [item(0, "いい"), replace(item(1, "あ", "怒"), weight=0.5)]
    found = make("bert", multi_label=True).encode([], items)
    assert [(e.labels, e.counted, e.weight) for e in found if isinstance(e, LabelExample)] == [
        ((), True, 1), ((1,), True, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "said"),
    [("bert", "<bos>いい<eos>喜<eos>でも<eos>"), ("llama", "<bos>いい\n喜\nでも")],
)
def test_turns_are_joined_and_the_system_prompt_is_left_out(
    make: Make, kind: str, said: str
) -> None:
    family = make(kind)
    context = (
        Message("system", "感情で答えて"),
        Message("user", "いい"),
        Message("assistant", "喜"),
        Message("user", "でも"),
    )
    (ids,) = family.read([context])
    assert family.tokenizer.decode(ids) == said


def test_an_empty_text_is_read_too(make: Make) -> None:
    for kind in ("bert", "llama"):
        family = make(kind)
        family.tokenizer.add_bos_token = False
        (said,) = predict(family, [item(0, "")], 1)
        assert said.labels
        assert np.isfinite(said.probabilities).all()


@pytest.mark.parametrize(("kind", "limit"), [("bert", 48), ("roberta", 47)])
def test_a_text_beyond_the_last_position_is_refused_with_its_place(
    make: Make, kind: str, limit: int
) -> None:
    family = make(kind)
    fits, over = item(0, "あ" * (limit - 2), "喜"), item(1, "あ" * (limit - 1), "喜")
    rows = [Row(i.row_id, i.context, Where("rows.csv", n)) for n, i in enumerate((fits, over), 1)]
    assert len(predict(family, [fits], 1)) == 1
    with pytest.raises(InputError) as caught:
        family.encode(rows, [fits, over])
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("encoder.too-long", Where("rows.csv", 2))
    assert str(limit) in str(problem)
    with pytest.raises(InputError):
        predict(family, [over], 1)


def test_llama_is_padded_with_a_token_that_no_text_ends_with(make: Make) -> None:
    family = make("llama")
    assert family.pad_token == family.tokenizer.eos_token_id == family.tokenizer.pad_token_id
    assert family.tokenizer.padding_side == "right"


def test_a_token_that_every_text_ends_with_is_no_padding(tmp_path: Path) -> None:
    folder = tiny_encoders.save("llama", tmp_path)
    tiny_encoders.tokenizer("bert").save_pretrained(folder)  # ends every text in <eos>
    said = (folder / "tokenizer_config.json").read_text().replace('"<pad>"', '"<eos>"')
    (folder / "tokenizer_config.json").write_text(said)
    config = ModelConfig(id=str(folder), family="encoder")
    family = Encoder(load(config, "fp32", head=Head(LABELS, False)))
    assert family.tokenizer("あ")["input_ids"][-1] == family.tokenizer.eos_token_id
    assert family.pad_token not in (family.tokenizer.eos_token_id, family.tokenizer.unk_token_id)
    assert family.pad_token in family.tokenizer.all_special_ids


@pytest.mark.parametrize("kind", ["bert", "gemma"])
def test_embeddings_are_means_over_the_text_alone(make: Make, kind: str) -> None:
    family = make(kind)
    with Silent().stage("", None) as task:
        embedded = family.embed(ITEMS, 6, task)
    for text, row in zip(TEXTS, embedded, strict=True):
        ids = torch.tensor([family.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            states = family.loaded.model.base_model(input_ids=ids).last_hidden_state[0]
        np.testing.assert_allclose(row, states.mean(dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "gemma"])
def test_untuned_a_regression_on_the_embeddings_of_the_training_items_answers(
    make: Make, kind: str
) -> None:
    family = make(kind)
    train = [item(n, text, LABELS[n % 3]) for n, text in enumerate(TEXTS)]
    said = untuned(family, train)
    assert [p.label for p in said] == [LABELS[n % 3] for n in range(len(TEXTS))]
    assert all(p.probabilities[3] == 0 for p in said), "no training row has the fourth label"
    assert all(sum(p.probabilities) == pytest.approx(1) for p in said)
    assert table(said).tolist() == table(untuned(family, train)).tolist()


def test_untuned_sets(make: Make) -> None:
    family = make("bert", multi_label=True)
    train = [
        item(n, text, "喜", *(["怒"] if n == 2 else []), *(["哀"] if n % 2 else []))
        for n, text in enumerate(TEXTS)
    ]
    said = table(untuned(family, train))
    assert (said[:, 0] == 1).all()  # every row has it
    assert said[:, 1].argmax() == 2  # one row has it
    assert ((said[:, 2] > 0.5) == [False, True] * 3).all()
    assert (said[:, 3] == 0).all()  # none has it


def test_rows_with_an_empty_set_are_learnt_from(make: Make) -> None:
    family = make("bert", multi_label=True)
    train = [item(n, text, *(["喜"] if n == 0 else [])) for n, text in enumerate(TEXTS)]
    said = table(untuned(family, train))
    assert said[0, 0] > 0.5
    assert (said[1:, 0] < 0.5).all()
    family.start_head(train)
    _, layer = output_layer(family.loaded.model)
    assert layer.bias.tolist()[0] == pytest.approx(math.log(1.5 / 5.5))


def test_untuned_where_there_is_little_to_learn_from(make: Make) -> None:
    family = make("bert")
    assert (table(untuned(family, [])) == 0.25).all()
    for train in ([item(0, "いい", "怒")], [item(0, "いい", "怒"), item(1, "あ", "未知")]):
        assert (table(untuned(family, train)) == [0, 1, 0, 0]).all()
    assert untuned(family, [item(0, "いい", "怒"), item(1, "あ", "哀")])


def test_the_probe_is_not_led_by_one_large_dimension() -> None:
    chance = np.random.default_rng(0)
    gold = np.arange(60) % 2 == 0
    told = np.where(gold, 0.01, -0.01)[:, None] + chance.normal(0, 1e-3, (60, 1))
    large = chance.normal(0, 100, (60, 1))
    seen = np.hstack([large, told])
    labels = np.stack([gold, ~gold], axis=1)
    said = probe(seen[:40], labels[:40], seen[40:], multi_label=False)
    assert (said.argmax(axis=1) == labels[40:].argmax(axis=1)).all()


def labelled() -> list[Item]:
    """Each label has some texts and lacks others; the last label has none."""
    pairs = [(LABELS[n % 3], LABELS[(n + 1) % 3]) for n in range(len(TEXTS))]
    return [item(n, t, *pair) for n, (t, pair) in enumerate(zip(TEXTS, pairs, strict=True))]


@pytest.mark.parametrize("kind", tiny_encoders.BIDIRECTIONAL)
def test_a_new_multi_label_head_begins_at_the_labels_log_odds(make: Make, kind: str) -> None:
    family = make(kind, multi_label=True)
    train = labelled()
    state = torch.random.get_rng_state()
    family.start_head(train)
    assert torch.equal(torch.random.get_rng_state(), state)
    _, layer = output_layer(family.loaded.model)
    has = [sum(label in i.labels for i in train) for label in LABELS]
    assert min(has) == 0  # such a label starts low, and finite
    wanted = [math.log((n + 0.5) / (len(train) - n + 0.5)) for n in has]
    assert layer.bias.tolist() == pytest.approx(wanted)


def test_a_new_pooler_begins_as_the_identity(make: Make) -> None:
    family = make("bert", multi_label=True)
    family.start_head(labelled())
    pooler = family.loaded.model.bert.pooler.dense
    assert torch.equal(pooler.weight, torch.eye(len(pooler.weight)))


@pytest.mark.parametrize(
    ("kind", "multi_label"), [("bert", False), (tiny_encoders.CAUSAL[0], True)]
)
def test_other_heads_stay_random(make: Make, kind: str, multi_label: bool) -> None:
    family = make(kind, multi_label=multi_label)
    before = {k: v.clone() for k, v in family.loaded.model.state_dict().items()}
    family.start_head([item(0, TEXTS[0], LABELS[0])])
    after = family.loaded.model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_a_head_stays_as_it_is_where_there_is_nothing_to_count(make: Make) -> None:
    family = make("bert", multi_label=True)
    _, layer = output_layer(family.loaded.model)
    before = layer.bias.clone()
    family.start_head([])
    assert torch.equal(layer.bias, before)


def test_it_does_not_write(make: Make) -> None:
    family = make_family("encoder", make("bert").loaded)
    assert not family.generates
    assert family.tokens(["喜", "怒り"]) == [1, 1]
    with Silent().stage("", None) as task, pytest.raises(RuntimeError, match="does not write"):
        family.generate(ITEMS, 3, 2, task)
    with pytest.raises(RuntimeError, match="does not write"):
        family.stream(ITEMS[0].context, 3)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_saved_encoder_says_the_same(make: Make, kind: str, tmp_path: Path) -> None:
    family = make(kind, multi_label=True)
    loaded = family.loaded
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    config = ModelConfig(id=str(tmp_path))
    again = Encoder(load(config, "fp32", head=Head(LABELS, True)))
    assert "new_weights" not in again.loaded.provenance
    assert again.pad_token == family.pad_token
    np.testing.assert_array_equal(table(predict(again, ITEMS, 4)), table(predict(family, ITEMS, 4)))


def test_a_tokenizer_with_mecab(tmp_path: Path) -> None:
    folder = tiny_encoders.save_mecab_bert(tmp_path / "base")
    config = ModelConfig(id=str(folder))
    loaded = load(config, "fp32", head=Head(("政治", "経済"), False))
    assert type(loaded.tokenizer).__name__ == "BertJapaneseTokenizer"
    assert not loaded.tokenizer.is_fast
    family = Encoder(loaded)
    rows = [item(0, "首相、会見へ"), item(1, "企業業績、上向き"), item(2, "天気はいいです。")]
    cut = [
        loaded.tokenizer.convert_ids_to_tokens(ids)
        for ids in family.read([i.context for i in rows])
    ]
    assert cut == [
        ["[CLS]", "首相", "、", "会見", "へ", "[SEP]"],
        ["[CLS]", "企業", "業績", "、", "上", "##向き", "[SEP]"],
        ["[CLS]", "天気", "は", "いい", "です", "。", "[SEP]"],
    ]
    turns = (Message("user", "首相"), Message("assistant", "会見"), Message("user", "企業"))
    (joined,) = family.read([turns])
    assert loaded.tokenizer.convert_ids_to_tokens(joined) == [
        "[CLS]", "首相", "[SEP]", "会見", "[SEP]", "企業", "[SEP]",
    ]  # fmt: skip
    before = table(predict(family, rows, 3, ("政治", "経済")))

    tuned = tmp_path / "tuned"
    loaded.model.save_pretrained(tuned)
    save_tokenizer(loaded.tokenizer, tuned)
    tokenizer = load_tokenizer(tuned, config)
    weights = load_weights(tuned, config, torch.float32)
    again = Encoder(type(loaded)(weights, tokenizer, loaded.device, loaded.dtype, "", {}))
    assert again.read([i.context for i in rows]) == family.read([i.context for i in rows])
    np.testing.assert_array_equal(table(predict(again, rows, 3, ("政治", "経済"))), before)
