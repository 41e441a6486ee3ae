"""Damaged inputs of every kind: one message and an exit code, never a traceback, never a hang.

``make fuzz`` tries 10,000 (``FUZZ`` of each file and command); CI some hundred.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.records import handmade
from tests.small import write_experiment
from tests.tiny_models import save_tiny

from kunren.cli import main

CASES = int(os.environ.get("FUZZ", "20"))
SECONDS = 20
"""That one case may take; none takes half a second."""

_ODD = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b"'", b"{", b"}", b"[", b"]", b":",
    b",", b"\t", b"#", b"&a", b"*a", b"!!python/name:os.system", b"- ", b"|", b"1e999", b"NaN",
    b"null", b"-1", b"\\ud83d", b"\xed\xa0\xbd", b"\xe3\x81", b"\xf0\x9f\x98\x80", b"%s", b"{text}",
    b"<end_of_turn>", b"../../..", b"/dev/zero", b"~", b" " * 300, b"9" * 400, b"[" * 600,
)  # fmt: skip


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """The content with one to four places cut out, doubled, exchanged, or filled with the odd."""
    for _ in range(chance.randint(1, 4)):
        a, b = sorted(chance.randrange(len(whole) + 1) for _ in range(2))
        match chance.randrange(6):
            case 0:
                whole = whole[:a] + whole[b:]
            case 1:
                whole = whole[:b] + whole[a:]
            case 2:
                whole = whole[:a] + chance.choice(_ODD) + whole[a:]
            case 3:
                whole = whole[:a] + chance.choice(_ODD) + whole[min(len(whole), a + 3) :]
            case 4:
                whole = whole[:a] + bytes(chance.randrange(256) for _ in range(4)) + whole[a:]
            case _:
                lines = whole.split(b"\n")
                chance.shuffle(lines)
                whole = b"\n".join(lines)
    return whole


@contextmanager
def in_time(name: str) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(name)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ended(arguments: list[str], said: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and all that was printed."""
    with in_time(" ".join(arguments)), pytest.raises(SystemExit) as end:
        main(arguments)
    code = end.value.code
    printed = said.readouterr()
    return int(code or 0), printed.out + printed.err


def tried(
    file: Path,
    arguments: list[str],
    said: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    """Damage a file again and again, and see how the command takes it."""
    whole = file.read_bytes()
    for number in range(CASES):
        file.write_bytes(damaged(whole, random.Random(f"{kind} {number}")))
        code, printed = ended(arguments, said)
        assert code in (0, 1, 2), (kind, number, printed[-2000:])
        assert printed, (kind, number)
        for sign in ("Traceback", "kunren.errors", "予期しないエラー", "想定外"):
            assert sign not in printed, (kind, number, printed[-2000:])
        if code == 2:
            assert "エラー" in printed, (kind, number, printed[-2000:])
    file.write_bytes(whole)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return save_tiny("bert", folder / "model")


@pytest.fixture(autouse=True)
def _raw(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unforeseen comes as it is: here it is a fault of ours."""
    monkeypatch.setenv("KUNREN_DEBUG", "1")


def test_configs(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_experiment(tmp_path, model)
    tried(config, ["check", str(config)], capsys, "config")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.tsv"])
def test_data(name: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_experiment(tmp_path, model)
    rows = [json.loads(x) for x in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    mark = {"rows.csv": ",", "rows.tsv": "\t"}.get(name)
    if name == "rows.json":
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    elif mark:
        lines = [mark.join(("text", "label")), *(f"{r['text']}{mark}{r['label']}" for r in rows)]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    arguments = ["check", str(config), "--set", f"data.train={tmp_path / name}"]
    tried(tmp_path / name, arguments, capsys, name)


def test_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold, said = tmp_path / "gold.jsonl", tmp_path / "said.jsonl"
    rows = [{"id": str(n), "text": f"文{n}", "label": "甲乙丙"[n % 3]} for n in range(12)]
    gold.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    told = [{"id": r["id"], "prediction": "甲"} for r in rows]
    said.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in told), encoding="utf-8")
    arguments = ["score", "--task", "classify", "--gold", str(gold), "--pred", str(said)]
    tried(said, arguments, capsys, "predictions")
    tried(gold, arguments, capsys, "gold")


LOGS: dict[str, Callable[[], str]] = {
    "trainer_state.json": lambda: json.dumps(
        {
            "log_history": [
                {"loss": 2 / n, "epoch": n, "step": 10 * n, "eval_loss": 1 + n / 9}
                for n in range(1, 9)
            ],
            "global_step": 80,
            "best_model_checkpoint": "out/checkpoint-20",
        }
    ),
    "losses.csv": lambda: (
        "epoch,loss,val_loss\n" + "\n".join(f"{n},{2 / n},1" for n in range(1, 9))
    ),
    "train.log": lambda: "\n".join(f"{{'loss': {2 / n}, 'epoch': {n}}}" for n in range(1, 9)),
}


@pytest.mark.parametrize("name", list(LOGS))
def test_logs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_text(LOGS[name](), encoding="utf-8")
    tried(path, ["doctor", str(path)], capsys, name)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_model_folders(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_tiny("llama", tmp_path / "model")
    config = write_experiment(tmp_path, folder)
    tried(folder / name, ["check", str(config)], capsys, f"model {name}")


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "manifest.json", "eval_metrics.json", "predictions.jsonl", "train_log.csv",
     "status.json"],
)  # fmt: skip
def test_run_folders(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = handmade.make(tmp_path / "a")
    tried(path / name, ["doctor", str(path)], capsys, f"run {name}")
    tried(path / name, ["compare", str(path)], capsys, f"compared {name}")
