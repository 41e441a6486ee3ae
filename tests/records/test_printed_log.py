"""What a training printed, in the forms that people keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from kunren.doctor.look import look
from kunren.errors import InputError
from kunren.records import printed_log

CURVE = [(1, 0.9, 0.80), (2, 0.5, 0.60), (3, 0.2, 0.72), (4, 0.05, 0.95), (5, 0.01, 1.31)]


def trainer(end: str, quote: str = "") -> str:
    lines = ["Loading checkpoint shards: 100%|██████████| 2/2 [00:03<00:00,  1.5s/it]"]
    for epoch, train, held in CURVE:
        lines += [
            f" 20%|██        | {epoch}00/500 [00:10<00:40]"
            f"{{'loss': {quote}{train}{quote}, 'grad_norm': 1.5, 'learning_rate': 1e-05,"
            f" 'epoch': {epoch - 0.5}}}",
            f"{{'eval_loss': {quote}{held}{quote}, 'eval_runtime': 2.1, 'epoch': {epoch}.0}}",
        ]
    lines.append("{'train_runtime': 99.5, 'train_loss': 0.332, 'epoch': 5.0}")
    return end.join(lines) + end


FORMS = {
    "trainer.log": trainer("\n"),
    "bars.txt": trainer("\r"),
    "strings.out": trainer("\n", "'"),
    "history.jsonl": "\n".join(
        f'{{"epoch": {e}, "loss": {t}, "eval_loss": {h}, "note": "x"}}' for e, t, h in CURVE
    ),
    "notebook.txt": "[500/500 02:10, Epoch 5/5]\nEpoch\tTraining Loss\tValidation Loss\n"
    + "\n".join(f"{e}\t{t}\t{h}" for e, t, h in CURVE),
    "spaces.txt": "epoch   train_loss   val_loss\n-----   ----------   --------\n"
    + "\n".join(f"{e}       {t}          {h}" for e, t, h in CURVE),
    "notes.md": "# 記録\n\n| エポック | 学習損失 | 検証損失 |\n|---|---:|---:|\n"
    + "\n".join(f"| {e} | {t} | {h} |" for e, t, h in CURVE),
    "keras.log": "\n".join(
        f"Epoch {e}/5\n250/250 [==============================] - 12s 48ms/step"
        f" - loss: {t} - accuracy: 0.8 - val_loss: {h} - val_accuracy: 0.7"
        for e, t, h in CURVE
    ),
    "own.log": "\n".join(f"epoch {e} train loss {t} val loss {h}" for e, t, h in CURVE),
    "japanese.log": "\n".join(
        f"\x1b[32m[Epoch {e}]\x1b[0m 学習損失: {t}\n　検証損失は{h}でした" for e, t, h in CURVE
    ),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_each_form_gives_the_same_losses_and_the_same_finding(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name], encoding="utf-8")
    found = printed_log.read(path)
    assert found is not None
    assert [row["loss"] for row in found.rows if "loss" in row] == [t for _, t, _ in CURVE]
    held = [(row["epoch"], row["eval_loss"]) for row in found.rows if "eval_loss" in row]
    assert held == [(e, h) for e, _, h in CURVE]
    seen = look(path)
    assert "overfitting" in {finding["slug"] for finding in seen["findings"]}
    assert name in seen["notes"][0]


def test_a_loss_that_became_nan_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    lines = [f"{{'loss': {x}, 'epoch': {n}}}" for n, x in enumerate((2.0, 1.5, "nan", "nan"), 1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "non-finite" in {finding["slug"] for finding in look(path)["findings"]}


def test_the_only_log_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(FORMS["own.log"], encoding="utf-8")
    assert "overfitting" in {finding["slug"] for finding in look(tmp_path)["findings"]}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "こんにちは。損失の話です。",
        "loss\nloss\n",
        "{'a': 1}",
        "x" * 100_000,
        "\x00\x01",
        "1\t2\n3\t4",
    ],
)
def test_what_is_no_log_is_told_so(tmp_path: Path, said: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(said, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        look(path)
    assert len(caught.value.problems) == 1
