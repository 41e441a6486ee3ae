"""How a model writes: a batch of answers at once, or one answer piece by piece.

What is the same for decoder-only and encoder-decoder models stands here; each family brings its own
prompts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kunren.config.schema import Decoding
from kunren.models.meter import count
from kunren.models.prefix import Prefix, read_prefix
from kunren.models.quiet import quiet
from kunren.progress import Task
from kunren.types import Written

if TYPE_CHECKING:
    import torch

    from kunren.models.load import Loaded

_NEUTRAL = {
    "early_stopping": False,
    "length_penalty": 1.0,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
}
"""Said each time, since a published model's own generation config would be used where nothing is:
two models are comparable only if both write by the same rules. The last three are the defaults of
transformers, which greedy and beam search ignore."""


@dataclass(frozen=True)
class Writer:
    """A model that writes, and how its answers begin and end.

    Attributes:
        loaded: the model and its tokenizer.
        ends: ids of the tokens that may end an answer.
        pad: fills shorter prompts up; never attended to.
        encoder_decoder: the prompt is the encoder's, is filled up behind, and is not part of what
            the decoder writes. Otherwise it is filled up in front, and the answer follows it.
    """

    loaded: Loaded
    ends: Sequence[int]
    pad: int
    encoder_decoder: bool

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        batch_size: int,
        task: Task,
        decoding: Decoding | None = None,
    ) -> list[Written]:
        """One answer a prompt.

        Prompts of like length share a batch; what all begin with, if it is long, is read once for
        all batches. Sampling draws from ``decoding.seed``, whatever was
        drawn before, and leaves torch's generators as they were; it depends on ``batch_size``.
        ``task`` advances by one an answer.
        """
        how = decoding or Decoding()
        answers = [Written("", ended=False)] * len(prompts)
        by_length = sorted(range(len(prompts)), key=lambda n: len(prompts[n]))
        with quiet(), self._drawing_from(how.seed):
            prefix = self._prefix(prompts)
            for start in range(0, len(prompts), batch_size):
                batch = by_length[start : start + batch_size]
                ids, mask = self.padded([prompts[n] for n in batch])
                past = {} if prefix is None else _past(prefix, mask, how)
                known = 0 if prefix is None else prefix.length
                begin = 1 if self.encoder_decoder else ids.shape[1]
                out = self.loaded.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=max_new_tokens,
                    eos_token_id=list(self.ends),
                    pad_token_id=self.pad,
                    **past,
                    **_options(how, begin),
                )
                count(read=sum(len(prompts[n]) - known for n in batch))
                for n, tokens in zip(batch, out, strict=True):
                    length, ended = self._length(tokens[begin:].tolist())
                    count(written=length)
                    answers[n] = Written(self._decode(tokens[begin:]).strip(), ended)
                task.advance(len(batch))
        return answers

    def stream(
        self, prompt: Sequence[int], max_new_tokens: int, **sampling: Any
    ) -> Generator[str, None, bool]:
        """The answer to one prompt, piece by piece as it is written: greedy or sampled, no beams.

        The model writes in a thread of its own, which ends with the iterator.

        Args:
            prompt: its token ids.
            max_new_tokens: where it is cut.
            sampling: arguments of ``generate``; ``repetition_penalty`` leaves the prompt out.

        Returns:
            Whether the model ended the answer itself; False: it was cut at the limit.
        """
        from threading import Event, Thread

        import torch
        from transformers import StoppingCriteria, TextIteratorStreamer

        ids, mask = self.padded([prompt])
        begin = 1 if self.encoder_decoder else ids.shape[1]
        penalty = _penalty(float(sampling.pop("repetition_penalty", 1.0)), begin)
        streamer = TextIteratorStreamer(
            self.loaded.tokenizer,
            skip_prompt=True,
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        left = Event()

        class _Left(StoppingCriteria):
            def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
                return torch.full((len(input_ids),), left.is_set(), device=input_ids.device)

        failed: list[BaseException] = []
        made: list[torch.Tensor] = []

        def write() -> None:
            try:
                (out,) = self.loaded.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    streamer=streamer,
                    max_new_tokens=max_new_tokens,
                    eos_token_id=list(self.ends),
                    pad_token_id=self.pad,
                    stopping_criteria=[_Left()],
                    **{**_NEUTRAL, "num_beams": 1, **sampling, **penalty},
                )
                made.append(out)
            except BaseException as error:
                failed.append(error)
                streamer.end()  # type: ignore[no-untyped-call]

        thread = Thread(target=write, daemon=True)
        thread.start()
        try:
            yield from streamer
        finally:
            left.set()
            thread.join()
        if failed:
            raise failed[0]
        return self._length(made[0][begin:].tolist())[1]

    def padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask of prompts of any lengths, on the device: [rows, longest]."""
        import torch

        width = max(map(len, prompts))
        ids, mask = [], []
        for prompt in prompts:
            fill, seen = [self.pad] * (width - len(prompt)), [1] * len(prompt)
            unseen = [0] * len(fill)
            behind = self.encoder_decoder
            ids.append([*prompt, *fill] if behind else [*fill, *prompt])
            mask.append([*seen, *unseen] if behind else [*unseen, *seen])
        device = self.loaded.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _prefix(self, prompts: Sequence[Sequence[int]]) -> Prefix | None:
        """What all prompts begin with, read; None where that does not pay."""
        from kunren.models.packing import common_prefix

        if self.encoder_decoder or len(prompts) < 2:
            return None
        shared = prompts[0][: common_prefix(prompts)]
        return read_prefix(self.loaded.model, shared, self.loaded.device)

    def _length(self, tokens: Sequence[int]) -> tuple[int, bool]:
        """How many tokens an answer has up to the one that ended it, and whether one did.

        The rest fills up.
        """
        ends = (n for n, token in enumerate(tokens, start=1) if token in self.ends)
        found = next(ends, None)
        return (len(tokens), False) if found is None else (found, True)

    def _decode(self, tokens: torch.Tensor) -> str:
        tokenizer: Any = self.loaded.tokenizer
        # Cleaning up would take the space out of "a !".
        said: str = tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return said

    @contextmanager
    def _drawing_from(self, seed: int) -> Iterator[None]:
        import torch

        device = self.loaded.device
        devices = [] if device.type == "cpu" else [device.index or 0]
        with torch.random.fork_rng(devices, device_type=device.type):
            torch.manual_seed(seed)
            yield


def _past(prefix: Prefix, mask: torch.Tensor, decoding: Decoding) -> dict[str, Any]:
    """The argument of ``generate`` that puts the prefix in front of each row of a batch."""
    fills = (mask.shape[1] - mask.sum(dim=1)).tolist()
    return {"past_key_values": prefix.before(fills, decoding.beams)}


def _options(decoding: Decoding, written_from: int) -> dict[str, Any]:
    """The arguments of transformers' ``generate`` for a way of decoding.

    Args:
        decoding: the way.
        written_from: how many tokens stand before the answer. The repetition penalty leaves them
            out; that of transformers would punish a label for being named in the prompt.
    """
    options: dict[str, Any] = {
        **_NEUTRAL,
        "num_beams": decoding.beams,
        "do_sample": decoding.sample,
    }
    if decoding.sample:
        options["temperature"] = float(decoding.temperature)
        options["top_k"] = decoding.top_k
        options["top_p"] = float(decoding.top_p)
    return options | _penalty(float(decoding.repetition_penalty), written_from)


def _penalty(penalty: float, written_from: int) -> dict[str, Any]:
    from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

    if penalty == 1:
        return {}
    processor = RepetitionPenaltyLogitsProcessor(penalty, written_from)
    return {"logits_processor": LogitsProcessorList([processor])}
