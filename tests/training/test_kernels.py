from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import tiny  # type: ignore[import-not-found]
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import PreTrainedModel

from kunren.models.load import onednn_has_bf16
from kunren.training.blocks import Blocks, block_attention
from kunren.training.collate import ROW_NUMBERS, Collator
from kunren.training.kernels import fast_cpu, reads_blocks
from kunren.training.loss import TokenLoss

CPU = torch.device("cpu")


def lora(dtype: torch.dtype = torch.float32) -> Any:
    model = get_peft_model(
        tiny.gemma(dtype),
        LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
        autocast_adapter_dtype=False,
    )
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return model


def step(model: Any, *, fast: bool) -> tuple[float, dict[str, torch.Tensor]]:
    collator = Collator(model.config, multiple_of=16, with_blocks=fast)
    batch = dict(collator(list(enumerate(tiny.rows(7)))))
    batch.pop(ROW_NUMBERS)
    labels = batch.pop("labels")
    model.train()
    model.zero_grad()
    with fast_cpu(model, CPU) if fast else nullcontext():
        loss = TokenLoss()(model(**batch), labels)
        loss.backward()  # type: ignore[no-untyped-call]
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("make", [tiny.gemma, lambda: tiny.gemma(window=5), tiny.llama, lora])
def test_loss_and_every_gradient_are_those_of_transformers(make: Callable[[], Any]) -> None:
    model = make()
    loss, gradients = step(model, fast=False)
    fast_loss, fast_gradients = step(model, fast=True)
    assert fast_loss == pytest.approx(loss, rel=1e-5)
    assert fast_gradients.keys() == gradients.keys()
    for name, expected in gradients.items():
        torch.testing.assert_close(fast_gradients[name], expected, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("make", [tiny.gemma, tiny.llama, lora])
def test_in_bf16_it_is_about_as_near_to_float32_as_transformers(make: Callable[..., Any]) -> None:
    exact = make()
    narrow = make(torch.bfloat16)
    exact.load_state_dict({k: v.float() for k, v in narrow.state_dict().items()})
    _, expected = step(exact, fast=False)
    _, eager = step(narrow, fast=False)
    _, fast = step(narrow, fast=True)

    def off(gradients: dict[str, torch.Tensor]) -> float:
        return float(sum((gradients[n].float() - expected[n]).norm() for n in expected))

    # Scores are rounded to bf16, as in transformers' own eager attention; sdpa keeps them.
    assert off(fast) < 1.6 * off(eager)


def forwards(model: PreTrainedModel) -> list[str]:
    return [name for name, module in model.named_modules() if "forward" in module.__dict__]


def test_the_forwards_are_swapped_and_put_back() -> None:
    model = tiny.gemma(torch.bfloat16)
    with suppress(KeyError), fast_cpu(model, CPU):
        swapped = forwards(model)
        raise KeyError
    assert {"model.norm", "model.layers.0.self_attn"} <= set(swapped)
    assert ("lm_head" in swapped) == onednn_has_bf16()
    assert not forwards(model)
    with fast_cpu(model, torch.device("cuda")):
        assert not forwards(model)


def test_generation_within_is_that_without() -> None:
    model = tiny.gemma().eval()
    prompt = torch.tensor([[2, 5, 6, 17]])
    plain = model.generate(prompt, max_new_tokens=8, do_sample=False)
    with fast_cpu(model, CPU):
        assert torch.equal(model.generate(prompt, max_new_tokens=8, do_sample=False), plain)


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("window", [None, 1, 4])
def test_block_attention_is_masked_attention(prefix: int, window: int | None) -> None:
    lengths = (3, 7, 1, 6)
    torch.manual_seed(0)
    size = prefix + sum(lengths)
    q, k, v = (torch.randn(size, heads, 8, requires_grad=True) for heads in (4, 2, 2))
    out = block_attention(q, k, v, Blocks(prefix, lengths), 0.3, window)
    row = torch.repeat_interleave(torch.arange(5), torch.tensor((prefix, *lengths)))
    position = torch.cat(
        [torch.arange(prefix), *(prefix + torch.arange(length) for length in lengths)]
    )
    distance = position[:, None] - position
    allowed = ((row[:, None] == row) | (row == 0)) & (distance >= 0)
    if window is not None:
        allowed &= distance < window
    first = [x.transpose(0, 1)[None] for x in (q, k, v)]
    expected = scaled_dot_product_attention(
        first[0], first[1], first[2], allowed, scale=0.3, enable_gqa=True
    )[0].transpose(0, 1)
    torch.testing.assert_close(out, expected)
    grad = torch.randn_like(out)
    for ours, theirs in zip(
        torch.autograd.grad(out, (q, k, v), grad),
        torch.autograd.grad(expected, (q, k, v), grad),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_loss_is_cross_entropy_and_counts_every_label_once() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 11, requires_grad=True)
    targets = torch.tensor([3, 0, 10, 3, 7])
    labels = torch.cat([torch.tensor([-100]), targets])
    loss = TokenLoss()

    class Out:
        pass

    out: Any = Out()
    out.logits = logits
    value = loss(out, labels)
    expected = cross_entropy(logits[0], targets)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    (grad,) = torch.autograd.grad(value, logits)
    (wanted,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(grad, wanted)
    assert loss(out, labels, num_items_in_batch=10).item() == pytest.approx(expected.item() / 2)
    assert loss.totals().tolist() == pytest.approx([10 * expected.item(), 10], rel=1e-6)


@pytest.mark.parametrize(
    ("model", "task"), [(tiny.bert, "SEQ_CLS"), (tiny.t5, "SEQ_2_SEQ_LM")], ids=["bert", "t5"]
)
def test_lora_of_the_other_families_is_that_of_peft(model: Callable[..., Any], task: str) -> None:
    ids = torch.tensor([[2, 30, 11, 3], [2, 12, 3, 0]])
    given = {"input_ids": ids, "attention_mask": ids.ne(0).long()}
    if task == "SEQ_2_SEQ_LM":
        given["decoder_input_ids"] = torch.tensor([[0, 60], [0, 61]])

    def adapted(dtype: torch.dtype) -> Any:
        made = tiny.lora(model(), task)
        torch.manual_seed(3)
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                if "lora_B" in name or name.endswith("bias"):
                    parameter.normal_(std=0.2)
        made.to(dtype)
        for name, module in made.named_modules():
            if name.endswith(".wo"):
                module.float()  # as transformers keeps it in T5
        return made.train()

    def gradients(made: Any, *, fast: bool) -> torch.Tensor:
        made.zero_grad()
        assert not reads_blocks(made)
        with fast_cpu(made, CPU) if fast else nullcontext():
            assert bool(forwards(made)) == fast
            made(**given).logits.float().square().sum().backward()
        moved = [p.grad.flatten().float() for p in made.parameters() if p.requires_grad]
        return torch.cat(moved)

    expected = gradients(adapted(torch.float32), fast=False)
    exact = gradients(adapted(torch.float32), fast=True)
    assert (exact - expected).norm() < 1e-4 * expected.norm()
    eager = gradients(adapted(torch.bfloat16), fast=False)
    fast = gradients(adapted(torch.bfloat16), fast=True)
    assert (fast - expected).norm() < 1.6 * (eager - expected).norm()
