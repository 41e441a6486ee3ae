"""The encoder family: a model with a classification head, which chooses and does not write.

A model trained to fill gaps (BERT and its kin), or a causal one that reads its answer at the last
token of the text. What it learns is one number a label, so it can neither answer beside the label
set nor fall into writing one common set to everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from kunren.data.read import capped
from kunren.errors import InputError, Problem
from kunren.models import Weight
from kunren.models.choice import predictions, shares
from kunren.models.meter import count
from kunren.models.probe import probe
from kunren.models.typed_tokens import as_text, encode
from kunren.progress import Task
from kunren.textfile import excerpt
from kunren.types import AnyExample, Item, LabelExample, Message, Prediction, Row, Where

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from kunren.models.load import Loaded


@dataclass(frozen=True)
class Encoder:
    """A loaded model with a classification head together with its reading of items."""

    loaded: Loaded

    name: ClassVar[str] = "encoder"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    peft_task: ClassVar[str] = "SEQ_CLS"
    instructed: ClassVar[bool] = False
    generates: ClassVar[bool] = False

    @property
    def reasons(self) -> bool:
        """Never: what is thought before an answer has no place in what is read or written."""
        return False

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.loaded.tokenizer

    @property
    def multi_label(self) -> bool:
        """Whether each label stands for itself (sigmoid), or exactly one holds (softmax)."""
        return bool(self.loaded.model.config.problem_type == "multi_label_classification")

    @property
    def pad_token(self) -> int:
        """What the model's config says: a causal backbone looks for its last token by it."""
        return int(self.loaded.model.config.get_text_config().pad_token_id)

    @cached_property
    def longest(self) -> int | None:
        """How many tokens the model can read; None: no limit is known.

        Where positions are learned there is no embedding for a later one. RoBERTa and its kin count
        them from behind the padding token's number, so that two or more rows are not for use.
        """
        config = self.loaded.model.config.get_text_config()
        limit = getattr(config, "max_position_embeddings", None)
        for name, module in self.loaded.model.named_modules():
            pad = getattr(module, "padding_idx", None)
            if name.endswith("position_embeddings") and pad is not None:
                return int(module.num_embeddings) - int(pad) - 1
        return limit

    def read(self, contexts: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Token ids of conversations, with the special tokens that the tokenizer adds.

        A system prompt is left out: it is the same for all rows, and the model was not made to
        follow one. Turns are joined by the tokenizer's separator, or else by a line break.
        """
        between = self.tokenizer.sep_token or "\n"
        said = [[m.content or m.calls for m in c if m.role != "system"] for c in contexts]
        texts = [between.join(as_text(self.tokenizer, turn) for turn in turns) for turns in said]
        read = encode(self.tokenizer, texts)
        # A tokenizer without special tokens makes nothing of an empty text.
        return [ids or [self.pad_token] for ids in read]

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """``read`` of every item's context."""
        return self.read([item.context for item in items])

    def encode(
        self,
        rows: Sequence[Row],
        items: Sequence[Item],
        weight: Weight | None = None,  # noqa: ARG002 (the loss weighs labels by their index)
    ) -> list[AnyExample]:
        """One example an item.

        Raises:
            InputError: items that are longer than the model can read.
        """
        places = {row.id: row.where for row in rows}
        read = self._fitting(items, places)
        known = self.loaded.model.config.label2id
        return [
            LabelExample(
                row_id=item.row_id,
                input_ids=tuple(ids),
                labels=tuple(known[label] for label in item.labels if label in known),
                counted=_is_known(item, known),
                weight=item.weight,
            )
            for item, ids in zip(items, read, strict=True)
        ]

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """1 each: an answer is one choice; nothing is written."""
        return [1] * len(texts)

    def predict(
        self, items: Sequence[Item], labels: Sequence[str], batch_size: int, task: Task
    ) -> list[Prediction]:
        """The most probable label for each item, with the probabilities of all.

        One label: softmax over ``labels``. Several: the sigmoid of each.

        Raises:
            InputError: items that are longer than the model can read.
        """
        import torch

        if not items:
            return []
        known = self.loaded.model.config.label2id
        columns = [known[label] for label in labels]
        logits = np.empty((len(items), len(labels)))
        read = self._fitting(items, {})
        with torch.inference_mode():
            for batch, inputs in self._batches(read, batch_size):
                out = self.loaded.model(**inputs).logits
                logits[batch] = out.cpu().double().numpy()[:, columns]
                count(read=sum(len(read[n]) for n in batch))
                task.advance(len(batch))
        return predictions(items, labels, shares(logits, self.multi_label))

    def predict_untuned(
        self,
        train: Sequence[Item],
        items: Sequence[Item],
        labels: Sequence[str],
        batch_size: int,
        task: Task,
    ) -> list[Prediction]:
        """Predictions of a logistic regression on the model's embeddings of the training items.

        The head is new before tuning, and what it says is chance. What the model already knows of
        the texts is measured by what a linear classifier can read off its embeddings, the means of
        the last hidden states; see ``probe``. ``task`` advances by the number of items.
        """
        if not items:
            return []
        train, gold = _labelled(train, labels)
        step = len(items) / (len(items) + len(train))
        seen = self.embed([*train, *items], batch_size, task, step)
        said = probe(seen[: len(train)], gold, seen[len(train) :], self.multi_label)
        return predictions(items, labels, said)

    def embed(
        self, items: Sequence[Item], batch_size: int, task: Task, step: float = 1.0
    ) -> NDArray[np.float64]:
        """The mean of each item's last hidden states: [items, hidden]; padding is not in it.

        Args:
            items: what to embed.
            batch_size: items at a time.
            task: advances by ``step`` an item.
            step: see ``task``.
        """
        import torch

        config = self.loaded.model.config.get_text_config()
        embedded = np.empty((len(items), config.hidden_size))
        read = self._fitting(items, {})
        with torch.inference_mode():
            for batch, inputs in self._batches(read, batch_size):
                states = self.loaded.model.base_model(**inputs).last_hidden_state.float()
                mask = inputs["attention_mask"].unsqueeze(-1)
                means = (states * mask).sum(dim=1) / mask.sum(dim=1)
                embedded[batch] = means.cpu().double().numpy()
                task.advance(step * len(batch))
        return embedded

    def start_head(self, train: Sequence[Item]) -> None:
        """Let a new multi-label head begin at how frequent its labels are.

        Its biases become the labels' log-odds in the training items, with half a row added on
        either side (Haldane 1956), and new layers before it the identity. Else training spends its
        first epochs on learning that nearly all labels are rare (Lin et al. 2017, section 4.1), and
        early stopping ends it there. On the training rows of examples/emoji_sets_encoder.yaml alone
        (50 labels, 57 rows to train on, two splits of the rest): Jaccard 16 and 18 % with LoRA, 12
        and 25 % with full tuning at 2e-4; from a random head 5 and 8 %.

        A head of one label is left random: that was better on the headlines. So is one that came
        with the model, and one without biases (of a causal backbone).
        """
        import torch

        from kunren.models import head

        model = self.loaded.model
        new: Any = self.loaded.provenance.get("new_weights", ())
        name, layer = head.output_layer(model)
        known = sorted(known_of := model.config.label2id, key=known_of.get)
        train, gold = _labelled(train, known)
        if not self.multi_label or layer.bias is None or f"{name}.bias" not in new or not train:
            return
        head.pass_through(model, new)
        count = gold.sum(axis=0)
        odds = np.log((count + 0.5) / (len(gold) - count + 0.5))
        with torch.no_grad():
            layer.bias.copy_(torch.from_numpy(odds))

    def generate(self, *_: Any, **__: Any) -> NoReturn:
        """Never to be called: ``generates`` is False."""
        raise RuntimeError("an encoder does not write; ask the family's 'generates' first")

    stream = generate

    def _fitting(self, items: Sequence[Item], places: dict[str, Where]) -> list[list[int]]:
        read = self.read([item.context for item in items])
        longest = self.longest
        problems = [
            Problem(
                "encoder.too-long",
                places.get(item.row_id),
                {"text": excerpt(item.text), "tokens": len(ids), "limit": longest},
            )
            for item, ids in zip(items, read, strict=True)
            if longest is not None and len(ids) > longest
        ]
        if problems:
            raise InputError(capped(problems))
        return read

    def _batches(
        self, read: Sequence[list[int]], batch_size: int
    ) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Numbers of the rows in each batch, and what the model is given: rows of like length."""
        import torch

        device, pad = self.loaded.device, self.pad_token
        by_length = sorted(range(len(read)), key=lambda n: len(read[n]))
        for start in range(0, len(read), batch_size):
            batch = by_length[start : start + batch_size]
            width = len(read[batch[-1]])
            ids = [read[n] + [pad] * (width - len(read[n])) for n in batch]
            mask = [[1] * len(read[n]) + [0] * (width - len(read[n])) for n in batch]
            yield (
                batch,
                {
                    "input_ids": torch.tensor(ids, device=device),
                    "attention_mask": torch.tensor(mask, device=device),
                },
            )


def _is_known(item: Item, labels: Collection[str]) -> bool:
    """Whether it can be said of an item which of the labels it has: any, or, of sets, none."""
    return not item.labels or any(label in labels for label in item.labels)


def _labelled(items: Sequence[Item], labels: Sequence[str]) -> tuple[list[Item], NDArray[np.bool_]]:
    """The items of which that is known, and which labels each has: [items, labels]."""
    having = [item for item in items if _is_known(item, set(labels))]
    gold = np.array([[label in item.labels for label in labels] for item in having], dtype=bool)
    return having, gold.reshape(len(having), len(labels))
