"""The seq2seq family: how an encoder-decoder (T5 and its kin) reads an item, and how it answers.

Every assistant turn is an example of its own: what was said before it goes into the encoder as
text, and the decoder writes the answer and the token that ends it. The text is

* the user's words alone, where nothing but one user turn was said;
* otherwise one line a turn, headed ``ユーザー:``, ``アシスタント:`` or ``ツール:``;
* with the system prompt, if there is one, on a line before either.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kunren.config.schema import Decoding
from kunren.errors import InputError, Problem
from kunren.models import Weight, typed_tokens
from kunren.models.choice import most_probable
from kunren.models.label_trie import Forest, label_forest
from kunren.models.meter import count
from kunren.models.writing import Writer
from kunren.progress import Task
from kunren.types import AnyExample, Item, Message, PairExample, Prediction, Row, Written

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from kunren.models.load import Loaded

_SPEAKERS = {"user": "ユーザー", "assistant": "アシスタント", "tool": "ツール"}
_BYTES = 256 * 2**20  # logits and cached keys and values held at once while labels are scored


def as_text(context: Sequence[Message]) -> str:
    """A conversation as the encoder reads it; see the head of this module."""
    system = [m.content for m in context if m.role == "system"]
    turns = [m for m in context if m.role != "system"]
    if len(turns) == 1 and turns[0].role == "user":
        return "\n".join([*system, turns[0].content])
    said = (f"{_SPEAKERS[m.role]}: {' '.join(filter(None, (m.content, m.calls)))}" for m in turns)
    return "\n".join([*system, *said])


@dataclass(frozen=True)
class Seq2Seq:
    """A loaded encoder-decoder together with its reading of items."""

    name: ClassVar[str] = "seq2seq"
    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"
    peft_task: ClassVar[str] = "SEQ_2_SEQ_LM"
    instructed: ClassVar[bool] = False
    generates: ClassVar[bool] = True

    loaded: Loaded

    @property
    def reasons(self) -> bool:
        """Never: what is thought before an answer has no place in what is read or written."""
        return False

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.loaded.tokenizer

    @cached_property
    def pad_token(self) -> int:
        """A token to fill up with; it is never attended to and never in the loss."""
        known = (self.tokenizer.pad_token_id, self.loaded.model.config.pad_token_id)
        return int(next((pad for pad in known if pad is not None), self.end_token))

    @cached_property
    def end_token(self) -> int:
        """The token that ends every target.

        Raises:
            InputError: neither the tokenizer nor the config names one.
        """
        configured = self.loaded.model.config.eos_token_id
        known = configured if isinstance(configured, list) else [configured]
        for end in (self.tokenizer.eos_token_id, *known):
            if end is not None:
                return int(end)
        raise InputError(Problem("model.no-end-token"))

    @cached_property
    def start_token(self) -> int:
        """The token that the decoder begins with: its first input, never written."""
        model = self.loaded.model
        known = (
            model.generation_config.decoder_start_token_id,
            getattr(model.config, "decoder_start_token_id", None),
            model.generation_config.bos_token_id,
        )
        return int(next((start for start in known if start is not None), self.pad_token))

    def encode(
        self,
        rows: Sequence[Row],  # noqa: ARG002 (an item holds all that was said before it)
        items: Sequence[Item],
        weight: Weight | None = None,
    ) -> list[AnyExample]:
        """One example an item."""
        inputs = self.prompts(items)
        targets = self.targets([item.answer for item in items])
        return [
            PairExample(
                row_id=item.row_id,
                input_ids=tuple(read),
                target_ids=tuple(written),
                weight=item.weight * (1.0 if weight is None else weight(item)),
            )
            for item, read, written in zip(items, inputs, targets, strict=True)
        ]

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """What the encoder reads of each item, ended as the tokenizer ends its inputs."""
        if not items:
            return []
        texts = [typed_tokens.as_text(self.tokenizer, as_text(item.context)) for item in items]
        return typed_tokens.encode(self.tokenizer, texts, verbose=False)

    def targets(self, answers: Sequence[str]) -> list[list[int]]:
        """What the decoder is to write for each answer, with the token that ends it."""
        if not answers:
            return []
        end = self.end_token
        texts = [typed_tokens.as_text(self.tokenizer, answer.strip()) for answer in answers]
        tokenized = typed_tokens.encode(self.tokenizer, texts, text_target=True, verbose=False)
        # Some tokenizers end a target with a language after the end, and some with nothing.
        return [[*(ids[: ids.index(end)] if end in ids else ids), end] for ids in tokenized]

    def start_head(self, train: Sequence[Item]) -> None:
        """There is no head."""

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each answer has, with the token that ends it."""
        return [len(ids) for ids in self.targets(texts)]

    def predict(
        self, items: Sequence[Item], labels: Sequence[str], batch_size: int, task: Task
    ) -> list[Prediction]:
        """The most probable label of the closed set for each item, with all probabilities.

        A label's probability is the product of its tokens' probabilities as the decoder's first
        words, divided by the sum over the set. ``task`` advances by one an item.
        """
        if not items:
            return []
        return most_probable(items, labels, self.score(items, labels, batch_size, task))

    def predict_untuned(
        self,
        train: Sequence[Item],  # noqa: ARG002 (a model that writes answers by itself)
        items: Sequence[Item],
        labels: Sequence[str],
        batch_size: int,
        task: Task,
    ) -> list[Prediction]:
        """What ``predict`` says before any tuning."""
        return self.predict(items, labels, batch_size, task)

    def score(
        self, items: Sequence[Item], labels: Sequence[str], batch_size: int, task: Task
    ) -> NDArray[np.float64]:
        """Log-probability of each label's tokens given each item: [items, labels].

        The end token counts only where one label is the beginning of another.
        """
        import torch

        prompts = self.prompts(items)
        plan = _plan(label_forest(self.targets(labels)))
        scores = np.empty((len(items), len(labels)))
        by_length = sorted(range(len(items)), key=lambda n: len(prompts[n]))
        with torch.inference_mode():
            for start in range(0, len(items), batch_size):
                batch = by_length[start : start + batch_size]
                scores[batch] = self._score_batch([prompts[n] for n in batch], plan)
                of_labels = 1 + sum(map(len, plan.rows))
                count(read=sum(len(prompts[n]) + of_labels for n in batch))
                task.advance(len(batch))
        return scores

    def _score_batch(self, prompts: Sequence[list[int]], plan: _Plan) -> NDArray[np.float64]:
        import torch

        ids, mask = self._writer.padded(prompts)
        first = self.loaded.model(
            input_ids=ids,
            attention_mask=mask,
            decoder_input_ids=torch.full((len(prompts), 1), self.start_token, device=ids.device),
            use_cache=True,
        )
        total = torch.zeros(len(prompts), plan.labels, device=ids.device)
        _add(total, first.logits[:, None].float(), [s for s in plan.steps if s.row is None])
        width = max(map(len, plan.rows), default=0)
        logits = width * first.logits.shape[-1] * 4 * 2  # and once more for their float32 copy
        a_row = len(prompts) * logits + _size(first.past_key_values.cross_attention_cache)
        at_once = max(1, _BYTES // a_row)
        for start in range(0, len(plan.rows), at_once):
            rows = plan.rows[start : start + at_once]
            steps = [s for s in plan.steps if s.row is not None and 0 <= s.row - start < len(rows)]
            _add(total, self._read_on(first, mask, rows), steps, start)
        return total.double().cpu().numpy()

    def _read_on(
        self, first: Any, mask: torch.Tensor, rows: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Float32 logits after each token of ``rows``, each row read after every item's start.

        The keys and values of the encoder's output are not computed again.

        Returns:
            [items, rows, longest row, vocabulary]
        """
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        width = max(map(len, rows))
        padded = [[*row, *[self.pad_token] * (width - len(row))] for row in rows]
        cache = deepcopy(first.past_key_values)
        cache.batch_repeat_interleave(len(rows))
        encoded = first.encoder_last_hidden_state.repeat_interleave(len(rows), dim=0)
        out = self.loaded.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            attention_mask=mask.repeat_interleave(len(rows), dim=0),
            decoder_input_ids=torch.tensor(padded, device=mask.device).repeat(len(mask), 1),
            past_key_values=cache,
            use_cache=True,
        )
        logits: torch.Tensor = out.logits.float().view(len(mask), len(rows), width, -1)
        return logits

    def generate(
        self,
        items: Sequence[Item],
        max_new_tokens: int,
        batch_size: int,
        task: Task,
        decoding: Decoding | None = None,
    ) -> list[Written]:
        """Free answers, one an item; ``decoding`` None: greedy.

        ``task`` advances by one an item.
        """
        prompts = self.prompts(items)
        return self._writer.write(prompts, max_new_tokens, batch_size, task, decoding)

    def stream(
        self, context: Sequence[Message], max_new_tokens: int, **sampling: Any
    ) -> Generator[str, None, bool]:
        """The answer to a conversation, piece by piece; returns whether the model ended it."""
        (prompt,) = self.prompts([Item("", "", tuple(context), "")])
        return self._writer.stream(prompt, max_new_tokens, **sampling)

    @cached_property
    def _writer(self) -> Writer:
        configured = self.loaded.model.generation_config.eos_token_id
        known = configured if isinstance(configured, list) else [configured]
        ends = sorted({self.end_token, *(end for end in known if end is not None)})
        return Writer(self.loaded, ends, self.pad_token, encoder_decoder=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """One token of one label: scored after ``column`` of ``row``; row None: after the start."""

    label: int
    row: int | None
    column: int
    token: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the decoder reads after its start to score all labels: the forest's longest paths."""

    labels: int
    rows: tuple[tuple[int, ...], ...]
    steps: tuple[_Step, ...]


def _plan(forest: Forest) -> _Plan:
    paths: list[tuple[int, ...]] = [()]
    for node in forest.nodes:
        paths.append((*paths[node.parent], node.token))
    inner = {node.parent for node in forest.nodes}
    rows: list[tuple[int, ...]] = []
    row_of: dict[int, int] = {}  # position in the forest → the first row that leads through it
    for position in range(1, len(paths)):
        if position not in inner:
            rows.append(paths[position])
            through = position
            while through and through not in row_of:
                row_of[through] = len(rows) - 1
                through = forest.nodes[through - 1].parent
    steps = tuple(
        _Step(label, row_of.get(position), max(0, len(paths[position]) - 1), token)
        for label, position, token in zip(
            forest.steps_label, forest.steps_position, forest.steps_token, strict=True
        )
    )
    return _Plan(forest.labels, tuple(rows), steps)


def _add(
    total: torch.Tensor, logits: torch.Tensor, steps: Sequence[_Step], first_row: int = 0
) -> None:
    """Add the log-probabilities of ``steps`` to ``total`` [items, labels], in place.

    Args:
        total: sums so far.
        logits: [items, rows, columns, vocabulary].
        steps: what to add.
        first_row: number of the first row in ``logits``.
    """
    import torch

    if not steps:
        return
    row, column, token, label = (
        torch.tensor(numbers, device=logits.device)
        for numbers in zip(
            *((0 if s.row is None else s.row - first_row, s.column, s.token, s.label)
              for s in steps),
            strict=True,
        )
    )  # fmt: skip
    scored = logits[:, row, column, token] - logits.logsumexp(dim=-1)[:, row, column]
    total.index_add_(1, label, scored)


def _size(cache: Any) -> int:
    """Bytes of the keys and values in a cache."""
    return sum(int(layer.keys.nbytes + layer.values.nbytes) for layer in cache.layers)
