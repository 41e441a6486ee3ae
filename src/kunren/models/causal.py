"""The causal family: how a decoder-only model reads a conversation, and how an answer is read off.

A row becomes one sequence of tokens by the model's own chat template. Prompts and training rows are
cut from the same rendering, so that what is trained is what is asked later, token by token.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kunren.config.schema import Decoding
from kunren.models import Weight
from kunren.models.chat_template import reads_reasoning, render
from kunren.models.choice import most_probable
from kunren.models.label_trie import Forest, label_forest
from kunren.models.meter import count
from kunren.models.typed_tokens import BREAK, as_texts, encode, special, special_tokens
from kunren.models.writing import Writer
from kunren.progress import Task
from kunren.types import AnyExample, Example, Item, Message, Prediction, Row, Written

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from kunren.models.load import Loaded

_MARK = "\ue000kunren\ue000"  # private use: stands for an answer while the template is rendered
_THOUGHT = "\ue000thought\ue000"  # the same for the reasoning before it
_LOGITS_BYTES = 256 * 2**20  # float32 logits held at once while labels are scored


def _pieces(tokenizer: Any, messages: Sequence[Message]) -> list[tuple[str, bool]]:
    """The rendered conversation, cut where answers begin and end: (text, is it trained?).

    A trained piece is an answer and what the template puts after it, up to and including the first
    special token (the end of the turn). Where the template renders reasoning before the answer, the
    piece begins where the model begins to write. Assistant turns of weight 0 are read as they
    stand. Text after the last answer's end of turn is left out.
    """
    messages = as_texts(tokenizer, messages)
    answers = [m for m in messages if m.is_answer]
    thinks = any(m.reasoning for m in answers) and reads_reasoning(tokenizer)
    marked = [
        Message(m.role, _MARK, reasoning=_THOUGHT if thinks and m.reasoning else "")
        if m.is_answer
        else replace(m, content=m.content.strip())
        if m.role == "assistant"
        else m
        for m in messages
    ]
    before, *parts = render(tokenizer, marked, add_generation_prompt=False).split(_MARK)
    pieces = []
    for answer, after in zip(answers, parts, strict=True):
        asked, thought = _thought(tokenizer, before, answer.reasoning.strip())
        cut = special(tokenizer).first_end(after)
        pieces += [(asked, False), (thought + answer.content.strip() + after[:cut], True)]
        before = after[cut:]
    return pieces or [(before, False)]


def _thought(tokenizer: Any, before: str, reasoning: str) -> tuple[str, str]:
    """What stands before an answer, cut where the model begins to write its reasoning."""
    opened, found, closed = before.partition(_THOUGHT)
    if not found:
        return before, ""
    opening = _opening(tokenizer)
    at = opened.rfind(opening) + len(opening) if opening and opening in opened else len(opened)
    return opened[:at], opened[at:] + reasoning + closed


@lru_cache(maxsize=4)
def _opening(tokenizer: Any) -> str:
    """What the template puts where an answer is asked for."""
    turn = (Message("user", "?"),)
    said = render(tokenizer, turn, add_generation_prompt=False)
    return render(tokenizer, turn, add_generation_prompt=True).removeprefix(said)


@lru_cache(maxsize=4)
def _closing(tokenizer: Any) -> str:
    """What the template puts between reasoning and answer: the end of the reasoning."""
    turns = (Message("user", "?"), Message("assistant", _MARK, reasoning=_THOUGHT))
    said = render(tokenizer, turns, add_generation_prompt=False)
    return said.partition(_THOUGHT)[2].partition(_MARK)[0].strip()


def _tokenize(
    tokenizer: Any, rows: Sequence[Sequence[tuple[str, bool]]]
) -> list[list[tuple[list[int], bool]]]:
    """Token ids of every piece of every row.

    The tokens up to a cut never depend on what follows it: a tokenizer that would merge across the
    cut is made to begin anew there. Without that, a prompt could end in a token that no training
    row ever had.
    """
    texts = ["".join(t for t, _ in row[: n + 1]) for row in rows for n in range(len(row))]
    if not texts:
        return []
    whole = iter(encode(tokenizer, texts, add_special_tokens=False))
    tokenized = []
    for row in rows:
        ids: list[int] = []
        cut: list[tuple[list[int], bool]] = []
        for piece, trained in row:
            grown = next(whole)
            if grown[: len(ids)] == ids:
                new = grown[len(ids) :]
            else:
                (new,) = encode(tokenizer, [piece], add_special_tokens=False)
            ids = ids + new
            cut.append((new, trained))
        tokenized.append(cut)
    return tokenized


@dataclass(frozen=True)
class Causal:
    """A loaded causal model together with its reading of rows."""

    name: ClassVar[str] = "causal"
    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    peft_task: ClassVar[str] = "CAUSAL_LM"
    instructed: ClassVar[bool] = True
    generates: ClassVar[bool] = True

    loaded: Loaded

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.loaded.tokenizer

    @property
    def reasons(self) -> bool:
        """Whether its chat template renders what is thought before an answer."""
        return reads_reasoning(self.tokenizer)

    @cached_property
    def end_tokens(self) -> list[int]:
        """Ids of the tokens that may end an answer."""
        pieces = _pieces(self.tokenizer, [Message("user", "a"), Message("assistant", "b")])
        last = _tokenize(self.tokenizer, [pieces])[0][-1][0][-1]
        trained = (
            {last} if self.tokenizer.decode([last]) in special_tokens(self.tokenizer) else set()
        )
        configured = self.loaded.model.generation_config.eos_token_id
        known = configured if isinstance(configured, list) else [configured]
        return sorted(trained | {k for k in known if k is not None})

    @cached_property
    def pad_token(self) -> int:
        """A token to fill up with; it is never attended to."""
        pad = self.tokenizer.pad_token_id
        return int(self.end_tokens[0] if pad is None else pad)

    def encode(
        self, rows: Sequence[Row], items: Sequence[Item], weight: Weight | None = None
    ) -> list[AnyExample]:
        """One example a row.

        The loss mask covers, for every answer, exactly its tokens and the token that ends the turn
        (with the reasoning before it, where the template renders that); they count what their item
        weighs. Assistant turns of weight 0 are in the context alone.
        """
        pieces = [_pieces(self.tokenizer, row.messages) for row in rows]
        weighs = weight is not None or any(item.weight != 1 for item in items)
        by_row: dict[str, list[float]] = {row.id: [] for row in rows}
        for item in items if weighs else ():
            by_row[item.row_id].append(item.weight * (1.0 if weight is None else weight(item)))
        examples: list[AnyExample] = [
            Example(
                row_id=row.id,
                input_ids=tuple(i for ids, _ in cut for i in ids),
                trained=tuple(trained for ids, trained in cut for _ in ids),
                weights=_weights(cut, by_row[row.id]) if weighs else (),
            )
            for row, cut in zip(rows, _tokenize(self.tokenizer, pieces), strict=True)
        ]
        return examples

    def start_head(self, train: Sequence[Item]) -> None:
        """There is no head."""

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each answer has, with the token that ends it."""
        return [len(ids) for ids in self.label_tokens(texts, (Message("user", "a"),))]

    def prompt(self, context: Sequence[Message], *, thinks: bool = False) -> list[int]:
        """Token ids of a conversation up to where the model's answer, or reasoning, begins."""
        pieces = _pieces(self.tokenizer, [*context, _asked(thinks=thinks)])
        return [i for ids, _ in _tokenize(self.tokenizer, [pieces[:-1]])[0] for i in ids]

    def openings(self, context: Sequence[Message]) -> tuple[str, str]:
        """What stands before an answer: in training, and where the template is asked for it."""
        pieces = _pieces(self.tokenizer, [*context, Message("assistant", "")])[:-1]
        asked = render(self.tokenizer, context, add_generation_prompt=True)
        return "".join(said for said, _ in pieces).replace(BREAK, ""), asked

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """``prompt`` of every item's context."""
        rows = [
            _pieces(self.tokenizer, [*item.context, _asked(thinks=item.thinks)])[:-1]
            for item in items
        ]
        return [[i for ids, _ in row for i in ids] for row in _tokenize(self.tokenizer, rows)]

    def label_tokens(self, labels: Sequence[str], context: Sequence[Message]) -> list[list[int]]:
        """Token ids of each label as an answer to ``context``, with the end of the turn."""
        rows = [_pieces(self.tokenizer, [*context, Message("assistant", la)]) for la in labels]
        return [row[-1][0] for row in _tokenize(self.tokenizer, rows)]

    def predict(
        self, items: Sequence[Item], labels: Sequence[str], batch_size: int, task: Task
    ) -> list[Prediction]:
        """The most probable label of the closed set for each item, with all probabilities.

        A label's probability is the product of its tokens' probabilities after the prompt, divided
        by the sum over the set. ``task`` advances by one an item.
        """
        if not items:
            return []
        return most_probable(items, labels, self.score(items, labels, batch_size, task))

    def predict_untuned(
        self,
        train: Sequence[Item],  # noqa: ARG002 (a causal model answers by itself)
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
        """Log-probability of each label's tokens after each item's prompt: [items, labels]."""
        import torch

        prompts = self.prompts(items)
        forest = label_forest(self.label_tokens(labels, items[0].context))
        vocabulary = self.loaded.model.config.get_text_config().vocab_size
        rows = max(1, min(batch_size, _LOGITS_BYTES // (4 * vocabulary * forest.positions)))
        scores = np.empty((len(items), len(labels)))
        by_length = sorted(range(len(items)), key=lambda n: len(prompts[n]))
        with torch.inference_mode():
            for start in range(0, len(items), rows):
                batch = by_length[start : start + rows]
                scores[batch] = self._score_batch([prompts[n] for n in batch], forest)
                task.advance(len(batch))
        return scores

    def _score_batch(self, prompts: Sequence[list[int]], forest: Forest) -> NDArray[np.float64]:
        import torch

        from kunren.models.packing import Segment, common_prefix, pack

        shared = common_prefix(prompts)
        segments = [Segment(prompts[0][:shared])] if shared else []
        root = 0 if shared else None
        ends: list[list[int]] = []  # for each prompt: numbers of the segments read after
        for prompt in prompts:
            segments.append(Segment(prompt[shared:], root))
            numbers = [len(segments) - 1]
            for node in forest.nodes:
                segments.append(Segment([node.token], numbers[node.parent]))
                numbers.append(len(segments) - 1)
            ends.append(numbers)
        packed = pack(segments)
        count(read=packed.input_ids.numel())
        keep = torch.tensor(
            [packed.starts[n] + len(segments[n].tokens) - 1 for row in ends for n in row]
        )
        logits = self._forward(packed, keep).view(len(prompts), forest.positions, -1)
        wanted = torch.tensor(forest.steps_token, device=logits.device)
        position = torch.tensor(forest.steps_position, device=logits.device)
        log_z = logits.logsumexp(dim=-1)
        steps = logits[:, position, wanted] - log_z[:, position]
        total = torch.zeros(len(prompts), forest.labels, dtype=steps.dtype, device=steps.device)
        total.index_add_(1, torch.tensor(forest.steps_label, device=steps.device), steps)
        return total.double().cpu().numpy()

    def _forward(self, packed: Any, keep: torch.Tensor) -> torch.Tensor:
        """Float32 logits at the positions ``keep``: [positions, vocabulary]."""
        from kunren.models.packing import attention_mask

        config = self.loaded.model.config.get_text_config()
        device = self.loaded.device
        mask = attention_mask(
            packed,
            getattr(config, "layer_types", None),
            getattr(config, "sliding_window", None),
        )
        moved = (
            {k: m.to(device) for k, m in mask.items()}
            if isinstance(mask, dict)
            else mask.to(device)
        )
        out = self.loaded.model(
            input_ids=packed.input_ids.to(device),
            position_ids=packed.position_ids.to(device),
            attention_mask=moved,
            logits_to_keep=keep.to(device),
            use_cache=False,
        )
        logits: torch.Tensor = out.logits[0].float()
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

        Of an item that thinks, what is written after its reasoning; all of it, where the reasoning
        does not end. ``task`` advances by one an item.
        """
        prompts = self.prompts(items)
        said = self._writer.write(prompts, max_new_tokens, batch_size, task, decoding)
        thinks = self.reasons and any(item.thinks for item in items)
        end = _closing(self.tokenizer) if thinks else ""
        if not end:
            return said
        return [
            replace(one, text=one.text.rpartition(end)[2].strip()) if item.thinks else one
            for item, one in zip(items, said, strict=True)
        ]

    def stream(
        self, context: Sequence[Message], max_new_tokens: int, **sampling: Any
    ) -> Generator[str, None, bool]:
        """The answer to a conversation, piece by piece; returns whether the model ended it."""
        return self._writer.stream(self.prompt(context), max_new_tokens, **sampling)

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self.loaded, self.end_tokens, self.pad_token, encoder_decoder=False)


def _asked(*, thinks: bool) -> Message:
    """An answer that is still to be written."""
    return Message("assistant", "", reasoning=_THOUGHT if thinks else "")


def _weights(
    cut: Sequence[tuple[list[int], bool]], of_answers: Sequence[float]
) -> tuple[float, ...]:
    """The weight of each token; an untrained one has none."""
    answers = [len(ids) for ids, trained in cut if trained]
    if len(answers) != len(of_answers):
        raise ValueError(f"{len(of_answers)} items for {len(answers)} answers of one row")
    left = iter(of_answers)
    each = [next(left) if trained else 0.0 for _, trained in cut]
    return tuple(weight for weight, (ids, _) in zip(each, cut, strict=True) for _ in ids)
