"""Whether a saved model is the one that was trained: it is loaded again in a fresh process.

What is in memory cannot tell. A vocabulary that was not saved, a head that is new at each loading,
a tie that was lost: all of them answer well in the process that trained them, and only there.

``python -m kunren.models.verify REQUEST`` is that process; it reads and writes files.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from kunren.errors import KunrenError, Problem, TrainingStopped
from kunren.messages import language, use_language
from kunren.models import Family, make_family
from kunren.types import Item, Message

if TYPE_CHECKING:
    import torch

    from kunren.models.load import Precision


_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Verified:
    """A saved model that answered as the trained one did.

    Attributes:
        rows: items that were compared.
        largest_difference: of any logit; 0.0 where all are equal.
        seconds: how long it took.
    """

    rows: int
    largest_difference: float
    seconds: float


def verify(
    family: Family,
    folder: Path,
    items: Sequence[Item],
    precision: Precision,
    scratch: Path | None = None,
) -> Verified:
    """Load the model in ``folder`` in a fresh process and compare its logits with ``family``'s.

    On the same machine they are equal; what ``torch.testing.assert_close`` allows for their dtype
    passes too. The hub is not asked: the base is in its cache by now. ``family``'s model ends on
    the CPU: an accelerator that was just large enough for training must not have to hold two.

    Args:
        family: the trained model, in memory.
        folder: where it was saved.
        items: what both are asked; a few are enough.
        precision: what it was loaded in.
        scratch: where the folder for what the two processes tell each other is made; None: where
            the system has room for such. If this process is killed, it stays there.

    Raises:
        TrainingStopped: the saved model cannot be loaded, or answers differently.
    """
    begun = time.monotonic()
    trained = logits(family, items)
    _make_room(family)
    with tempfile.TemporaryDirectory(prefix="kunren-", dir=scratch) as folder_between:
        loaded = _logits_afresh(Path(folder_between), family.name, folder, items, precision)
    compare(trained, loaded, folder)
    difference = (trained - loaded).abs().nan_to_num(nan=0.0)  # infinities of the same sign
    return Verified(
        rows=len(items),
        largest_difference=float(difference.max()),
        seconds=round(time.monotonic() - begun, 1),
    )


def _make_room(family: Family) -> None:
    import torch

    if family.loaded.device.type == "cpu":
        return
    family.loaded.model.to("cpu")
    gc.collect()
    if family.loaded.device.type == "cuda":
        torch.cuda.empty_cache()


def logits(family: Family, items: Sequence[Item]) -> torch.Tensor:
    """What a model says to each item before anything is chosen: [items, numbers], on the CPU.

    Of a model that writes, the logits of the gold answer's first token, and those of what follows
    the whole answer, which depend on the embeddings of its tokens; of an encoder, those of its
    head. Each item is read alone, so that no padding plays a part.
    """
    import torch

    model: Any = family.loaded.model
    device, was_training = family.loaded.device, model.training
    model.eval()
    rows = []
    with torch.inference_mode():
        for numbers, places in _inputs(family, items):
            inputs = {name: torch.tensor([ids], device=device) for name, ids in numbers.items()}
            if family.name == "causal":  # all positions of a long prompt would not fit in memory
                inputs["logits_to_keep"] = torch.tensor(places, device=device)
                places = list(range(len(places)))
            said = model(**inputs).logits[0]
            rows.append((said[places] if places else said).cpu().flatten())
    model.train(was_training)
    return torch.stack(rows)


def _inputs(family: Any, items: Sequence[Item]) -> list[tuple[dict[str, list[int]], list[int]]]:
    """For each item, what the model is given, and the positions that count; none: all."""
    if family.name == "encoder":
        read = family.read([item.context for item in items])
        return [(_seen(ids), []) for ids in read]
    prompts = family.prompts(items)
    made = []
    for item, prompt in zip(items, prompts, strict=True):
        if family.name == "causal":
            (answer,) = family.label_tokens([item.answer], item.context)
            ids = [*prompt, *answer]
            made.append((_seen(ids), [len(prompt) - 1, len(ids) - 1]))
        else:
            (target,) = family.targets([item.answer])
            written = [family.start_token, *target[:-1]]
            inputs = {**_seen(prompt), "decoder_input_ids": written}
            made.append((inputs, [0, len(written) - 1]))
    return made


def _seen(ids: list[int]) -> dict[str, list[int]]:
    return {"input_ids": ids, "attention_mask": [1] * len(ids)}


def _logits_afresh(
    scratch: Path, family: str, folder: Path, items: Sequence[Item], precision: Precision
) -> torch.Tensor:
    import torch
    from safetensors.torch import load_file

    request = scratch / "request.json"
    answer = scratch / "logits.safetensors"
    asked = {
        "family": family,
        "folder": str(folder.absolute()),
        "items": [asdict(item) for item in items],
        "precision": precision,
        "language": language(),
        "threads": torch.get_num_threads(),  # sums are added up in another order with others
        "answer": str(answer),
    }
    request.write_text(json.dumps(asked), encoding="utf-8")
    made = _ask_fresh_process(request)
    if made.returncode != 0 or not answer.is_file():
        lines = [line.strip() for line in made.stderr.splitlines() if line.strip()]
        fields: dict[str, object] = {
            "path": folder,
            "reason": lines[-1] if lines else f"exit code {made.returncode}",
        }
        raise TrainingStopped(Problem("vocabulary.reload-failed", None, fields))
    return load_file(answer)["logits"]


def _ask_fresh_process(request: Path) -> subprocess.CompletedProcess[str]:
    """Ask it. Its standard input stays open as long as this process lives: ``_end_with_parent``."""
    # -P: a file of the user's that is called like a module must not be imported.
    command = [sys.executable, "-P", "-m", "kunren.models.verify", str(request)]
    errors = request.with_suffix(".err")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
        ) as process,
    ):
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    said = errors.read_text(encoding="utf-8", errors="replace")
    return subprocess.CompletedProcess(command, code, "", said)


def _end_with_parent() -> None:
    """End this process when the one that asks has ended, however it did.

    On Linux the system sees to that, at once; elsewhere a thread does, which has to wait while
    torch is being imported.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when this process ends by itself
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def compare(trained: torch.Tensor, loaded: torch.Tensor, folder: Path) -> None:
    """See that a model answers as before it was saved.

    Args:
        trained: its ``logits`` in memory.
        loaded: those of what was read back.
        folder: where from.

    Raises:
        TrainingStopped: they differ by more than ``torch.testing.assert_close`` allows.
    """
    import torch

    fields: dict[str, object] = {"path": folder}
    if trained.shape != loaded.shape or trained.dtype != loaded.dtype:
        fields |= {"then": _shape(trained), "now": _shape(loaded)}
        raise TrainingStopped(Problem("vocabulary.reload-shape", None, fields))
    try:
        torch.testing.assert_close(loaded, trained)
    except AssertionError as error:
        difference = (trained - loaded).abs()
        differing = (loaded != trained).any(dim=1)
        fields |= {
            "rows": len(trained),
            "differing": int(differing.sum()),
            "largest": f"{float(difference.max()):.3g}",
        }
        raise TrainingStopped(Problem("vocabulary.reload-differs", None, fields)) from error


def _shape(logits: torch.Tensor) -> str:
    return f"{' x '.join(map(str, logits.shape))} {str(logits.dtype).removeprefix('torch.')}"


def _answer(request: Path) -> None:
    """What the fresh process does."""
    import torch
    from safetensors.torch import save_file

    from kunren.models.adapter import load_saved

    asked = json.loads(request.read_text(encoding="utf-8"))
    use_language(asked["language"])
    torch.set_num_threads(asked["threads"])
    loaded = load_saved(Path(asked["folder"]), precision=asked["precision"])
    items = [_item(said) for said in asked["items"]]
    found = logits(make_family(asked["family"], loaded), items)
    save_file({"logits": found.contiguous()}, asked["answer"])


def _item(said: Mapping[str, Any]) -> Item:
    context = tuple(Message(**{**m, "unread": tuple(m["unread"])}) for m in said["context"])
    return Item(**{**said, "context": context, "labels": tuple(said["labels"])})


if __name__ == "__main__":
    _end_with_parent()
    try:
        _answer(Path(sys.argv[1]))
    except KunrenError as error:
        sys.exit(str(error))
