"""BERTScore by a tiny model: greedy matching, batches, and where it stands among the metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.records import handmade

from kunren.config.load import dump
from kunren.config.schema import EvaluateConfig, ModelConfig
from kunren.errors import InputError
from kunren.evaluation.bertscore import Scorer, check_model, with_bertscore
from kunren.evaluation.score import evaluate
from kunren.evaluation.text import KIND
from kunren.models import sources
from kunren.plan import bertscore_model
from kunren.progress import Silent

TEXTS = [answer for _, answer in handmade.QUESTIONS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUNREN_HOME", str(cache))
        folder = sources.locate(ModelConfig(id="scratch:bert-small"), texts=TEXTS * 20)
    return str(folder)


def by_hand(folder: str, said: str, gold: str) -> tuple[float, float, float]:
    """As the paper has it, one pair at a time, without batches, padding or a shortened model."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    layers = network.config.num_hidden_layers
    layer = -(-layers * 17 // 24)
    vectors = []
    for text in (said, gold):
        with torch.inference_mode():
            ids = tokenizer([text], return_tensors="pt")["input_ids"]
            hidden = network(input_ids=ids, output_hidden_states=True).hidden_states[layer][0]
        vectors.append(hidden / hidden.norm(dim=-1, keepdim=True))
    alike = vectors[0] @ vectors[1].T
    precision = float(alike.max(dim=1).values[1:-1].mean())
    recall = float(alike.max(dim=0).values[1:-1].mean())
    return precision, recall, 2 * precision * recall / (precision + recall)


def test_it_is_what_the_paper_says(model: str) -> None:
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[3] + TEXTS[4]), (TEXTS[1], TEXTS[1])]
    found = Scorer(model).score(pairs)
    expected = [by_hand(model, said, gold) for said, gold in pairs]
    assert found == pytest.approx(np.asarray(expected), abs=1e-5)
    assert found[2] == pytest.approx(1.0)
    assert found[0, 2] < 0.999


def test_order_and_repetition_change_nothing(model: str) -> None:
    pairs = [(said, gold) for said in TEXTS for gold in TEXTS]
    scorer = Scorer(model)
    found = scorer.score([*pairs, pairs[3]])
    assert found[-1] == pytest.approx(found[3])
    again = Scorer(model).score(pairs[::-1])[::-1]
    assert found[:-1] == pytest.approx(again, abs=1e-5)


def test_precision_and_recall_change_places(model: str) -> None:
    scorer = Scorer(model)
    one, other = scorer.score([(TEXTS[0], TEXTS[2]), (TEXTS[2], TEXTS[0])])
    assert one[:2] == pytest.approx(other[:2][::-1], abs=1e-5)


def test_an_answer_without_tokens_has_nothing(model: str) -> None:
    assert Scorer(model).score([("", TEXTS[0]), ("  ", TEXTS[0])]).tolist() == [[0.0] * 3] * 2


def test_a_text_longer_than_the_model_reads_is_cut(model: str) -> None:
    assert 0 < Scorer(model).score([(TEXTS[0] * 400, TEXTS[0])])[0, 2] <= 1.0


def test_it_is_one_of_the_metrics_where_it_is_asked_for(model: str) -> None:
    items = handmade.text_items(10)
    said = {
        "base": handmade.text_answers(items, 0.2, 1),
        "tuned": handmade.text_answers(items, 1.0, 1),
    }
    config = EvaluateConfig(bootstrap=100, bertscore=model)
    found = evaluate(items, (), said, config, "text")
    of_tuned = found["systems"]["tuned"]
    assert of_tuned["bertscore"]["value"] == pytest.approx(1.0)
    assert found["systems"]["base"]["bertscore"]["value"] < 1.0
    assert f"model:{model}|layer:" in of_tuned["bertscore"]["signature"]
    assert "bertscore" in found["headline"]
    assert ("base", "bertscore") in {(pair["b"], pair["metric"]) for pair in found["paired"]}
    without = evaluate(items, (), said, EvaluateConfig(bootstrap=100), "text")
    assert not any("bertscore" in name for name in without["metrics"])


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        with_bertscore(KIND, str(tmp_path / "nothing"))


def test_an_encoder_decoder_is_refused_before_training(tmp_path: Path) -> None:
    from transformers import T5Config

    T5Config(architectures=["T5ForConditionalGeneration"]).save_pretrained(tmp_path)
    save_file({"shared.weight": torch.zeros(32128, 2)}, tmp_path / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="seq2seq"):
        check_model(str(tmp_path), Silent())


def test_a_good_model_passes_and_its_path_moves_with_the_config(model: str, tmp_path: Path) -> None:
    check_model(model, Silent())
    (tmp_path / "scorer").mkdir()
    config = handmade.config("text", evaluate={"bertscore": "scorer"})
    assert bertscore_model(config, tmp_path) == str(tmp_path / "scorer")
    (tmp_path / "runs" / "one").mkdir(parents=True)
    written = dump(config, tmp_path, tmp_path / "runs" / "one")
    assert "bertscore: ../../scorer" in written
    hub = handmade.config("text", evaluate={"bertscore": "some/model"})
    assert bertscore_model(hub, tmp_path) == "some/model"
    assert bertscore_model(handmade.config("text"), tmp_path) is None
