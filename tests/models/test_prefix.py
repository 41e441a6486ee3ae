from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.models.tiny_families import make_llama
from tests.tiny_models import save_tiny

from kunren.config.schema import Decoding, ModelConfig
from kunren.models import prefix
from kunren.models.causal import Causal
from kunren.models.load import load
from kunren.models.meter import counting
from kunren.models.packing import common_prefix
from kunren.progress import Silent
from kunren.types import Item, Message

EXAMPLES = tuple(
    message
    for said, answer in (("あめがふる", "😢"), ("はれた", "😀"), ("もうしらない", "😡")) * 4
    for message in (Message("user", said), Message("assistant", answer))
)
ASKED = ("あ", "かさをわすれた", "きょうはいいてんきだったのに", "な", "ゆるせないはなし")
GREEDY = Decoding()
BEAMS = Decoding(beams=3)


@pytest.fixture(scope="module", params=["gemma", "llama"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Causal:
    """One with a window of 8 tokens, far shorter than the prefix, and one without."""
    make: Any = make_llama if request.param == "llama" else lambda f: save_tiny("gemma", f)
    folder = make(tmp_path_factory.mktemp(request.param))
    made = Causal(load(ModelConfig(id=str(folder), family="causal"), "fp32", Silent()))
    if request.param == "gemma":
        with torch.no_grad():
            for parameter in made.loaded.model.parameters():
                parameter.mul_(3)  # so that attention is not uniform
    return made


def written(family: Causal, items: list[Item], decoding: Decoding, batch: int = 3) -> list[str]:
    with Silent().stage("", None) as bar:
        return [w.text for w in family.generate(items, 12, batch, bar, decoding)]


def asked() -> list[Item]:
    return [
        Item(str(n), str(n), (*EXAMPLES, Message("user", said)), "") for n, said in enumerate(ASKED)
    ]


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_a_shared_beginning_changes_nothing_that_is_written(
    family: Causal, decoding: Decoding
) -> None:
    together = written(family, asked(), decoding)
    alone = [written(family, [item], decoding)[0] for item in asked()]
    assert together == alone


def test_the_next_token_is_as_probable_as_after_the_whole_prompt(family: Causal) -> None:
    model, prompts = family.loaded.model, family.prompts(asked())
    length = common_prefix(prompts)
    read = prefix.read_prefix(model, prompts[0][:length], family.loaded.device)
    assert read is not None
    ids, mask = family._writer.padded(prompts)
    fills = (mask == 0).sum(dim=1).tolist()
    assert max(fills) > 0
    with torch.inference_mode():
        together = model(
            input_ids=ids[:, length:],
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0)[:, length:],
            past_key_values=read.before(fills),
        ).logits[:, -1]
        alone = torch.stack(
            [model(input_ids=torch.tensor([prompt])).logits[0, -1] for prompt in prompts]
        )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-2  # the prompts do differ


def test_a_shared_beginning_is_read_once_for_all_batches(family: Causal) -> None:
    prompts = family.prompts(asked())
    with counting() as tokens:
        written(family, asked(), GREEDY)
    shared = prefix.WORTH
    assert tokens.read < sum(map(len, prompts)) - (len(prompts) - 1) * shared
    assert tokens.read >= max(map(len, prompts))
    with counting() as alone:
        for item in asked():
            written(family, [item], GREEDY)
    assert alone.read == sum(map(len, prompts))
    assert alone.written == tokens.written > 0


def test_a_short_beginning_is_not_shared(family: Causal) -> None:
    ids = family.prompts(asked())[0][: prefix.WORTH - 1]
    assert prefix.read_prefix(family.loaded.model, ids, family.loaded.device) is None
