"""kunren predict on a finished run: every row in its place, answered or with its reason."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.forked import ask_forked_process
from tests.small import write_experiment

from kunren import use
from kunren.cli import main, predict
from kunren.data.inputs import Input
from kunren.models import verify
from kunren.tasks import make_task
from kunren.types import Message, Prediction

TEXTS = ["うれしい", "かなしい", "ゆるせない", "たのしい", "ないた"]


@pytest.fixture(scope="module", params=["causal", "encoder"])
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path
) -> Path:
    """A finished run of one epoch."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_experiment(folder, tiny_model)
    settings = ["train.epochs=1", "evaluate.baselines=[]", f"model.family={request.param}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_ask_fresh_process", ask_forked_process)
        options = [part for setting in settings for part in ("--set", setting)]
        assert call("run", config, "--output", folder / "out", *options) == 0
    (made,) = (folder / "out").iterdir()
    return made


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(*texts: str) -> str:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)


def results(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_rows_that_cannot_be_answered_do_not_stop_the_others(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("predict", run, put(tmp_path, "good.jsonl", jsonl(*TEXTS))) == 0
    good = results(capsys.readouterr().out)
    assert [row["text"] for row in good] == TEXTS
    lines = jsonl(*TEXTS).splitlines()
    bad = {
        "cli.predict-too-long": jsonl("とても長い文。" * 200),
        "data.empty-text": '{"text": "", "id": "e"}',
        "data.garbled": '{"text": "あ\\ud83d"}',
        "data.broken-json": "{broken",
        "data.json-too-deep": '{"text": ' + "[" * 3000,
        "data.text-type": '{"text": ["あ"]}',
        "data.missing-field": '{"body": "あ", "id": 3}',
        "data.not-an-object": "[1]",
    }
    mixed = [*lines[:2], *(line.strip() for line in bad.values()), *lines[2:]]
    assert call("predict", run, put(tmp_path, "mixed.jsonl", "\n".join(mixed))) == 1
    said = capsys.readouterr()
    found = results(said.out)
    assert [row["line"] for row in found] == list(range(1, len(mixed) + 1))
    reasons = [row for row in found if "error" in row]
    assert [row["code"] for row in reasons] == list(bad)
    assert all(set(row) <= {"line", "id", "error", "code"} and row["error"] for row in reasons)
    assert [row["id"] for row in reasons if "id" in row] == ["e", "3"]
    answered = [row for row in found if "error" not in row]
    for one, alone in zip(answered, good, strict=True):
        assert (one["text"], one["label"]) == (alone["text"], alone["label"])
        assert one["probability"] == pytest.approx(alone["probability"], abs=1e-3)
    assert f"{len(mixed)} 件のうち 5 件" in said.err
    assert "3 行目" in said.err


def test_a_row_of_the_longest_length_is_answered_and_one_longer_is_not(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = use.Predictor.open(run)
    size = predictor._sizes([predictor.context([Message("user", "今" * n)]) for n in (1, 2)])
    step = size[1] - size[0]  # type: ignore[operator]
    room = predictor._longest_label if predictor.model.generates else 0
    most = (512 - room - size[0]) // step + 1  # type: ignore[operator]
    path = put(tmp_path, "a.jsonl", jsonl("今" * most, "今" * (most + 1), "今"))
    assert call("predict", run, path) == 1
    found = results(capsys.readouterr().out)
    assert [row.get("code") for row in found] == [None, "cli.predict-too-long", None]


def test_a_written_answer_needs_some_room_and_takes_what_there_is(run: Path) -> None:
    predictor = use.Predictor.open(run)
    if not predictor.model.generates:
        pytest.skip("a head writes nothing")
    free = predictor.config.task.model_copy(update={"kind": "answer"})
    evaluate = predictor.config.evaluate.model_copy(update={"max_new_tokens": 40})
    config = predictor.config.model_copy(update={"task": free, "evaluate": evaluate})
    writer = replace(predictor, config=config, task=make_task(free), labels=(), system=None)
    empty = writer._sizes([[Message("user", "")]])[0]
    sizes = (100, 512 - 40, 512 - 20, 512 - 16, 512 - 15)
    contexts = [[Message("user", "今" * (size - int(empty)))] for size in sizes]  # type: ignore[arg-type]
    assert writer._sizes(contexts) == list(sizes)
    assert [writer._room(size) for size in sizes[:4]] == [40, 40, 20, 16]
    said = writer.answers(contexts, 2)
    assert [getattr(one, "code", None) for one in said] == [None] * 4 + ["cli.predict-too-long"]
    assert all(isinstance(one, Prediction) and one.generated is not None for one in said[:4])


def test_a_row_without_what_the_template_names_is_one_bad_row(run: Path) -> None:
    predictor = use.Predictor.open(run)
    task = predictor.config.task.model_copy(update={"template": "{title}: {text}"})
    templated = replace(predictor, config=predictor.config.model_copy(update={"task": task}))
    user = (Message("user", "うれしい"),)
    asked = [Input(1, None, user), Input(2, "b", user, {"title": "題"}), Input(3, "c", user)]
    found = list(use.predict_stream(templated, asked, 2))
    assert [row.get("code") for row in found] == [
        "task.template-no-field", None, "task.template-no-field",
    ]  # fmt: skip
    assert found[1]["text"] == "うれしい"
    assert found[2]["id"] == "c"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([{"text": text} for text in TEXTS], indent=1)),
        ("a.csv", "id , text\n" + "\n".join(f"{n},{text}" for n, text in enumerate(TEXTS))),
        ("a.tsv", "text\tx\n" + "\n".join(f"{text}\t1" for text in TEXTS)),
        ("a.txt", "\n".join(TEXTS)),
        ("-", jsonl(*TEXTS)),
        ("-", "\n".join(TEXTS)),
    ],
)
def test_formats(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
) -> None:
    path: Path | str = name
    if name == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    else:
        path = put(tmp_path, name, content)
    assert call("predict", run, path) == 0
    assert [row["text"] for row in results(capsys.readouterr().out)] == TEXTS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "本文,x\nあ,い\n"),
        ("a.jsonl", '{"本文": "あ"}\n{"本文": "い"}\n'),
        ("a.csv", "本文,番号\nあ,1\n".encode("cp932")),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\nsize 3\n"),
        ("a.jsonl", "{\n{\n"),
        ("a.jsonl", ""),
        (None, ""),
    ],
)
def test_a_file_that_cannot_be_read_leaves_everything_as_it_was(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str | None,
    content: str | bytes,
) -> None:
    output = put(tmp_path, "out.jsonl", "earlier\n")
    path = tmp_path / "nothing.jsonl" if name is None else put(tmp_path, name, content)
    before = sorted(tmp_path.iterdir())
    assert call("predict", run, path, "--output", output) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert output.read_text() == "earlier\n"
    assert sorted(tmp_path.iterdir()) == before


def test_field_names_the_text(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (
        ("a.csv", "番号,本文\n1,うれしい\n"),
        ("a.json", '[{"本文": "うれしい"}]'),
    ):
        path = put(tmp_path, name, content)
        assert call("predict", run, path, "--field", "本文") == 0
        assert [row["text"] for row in results(capsys.readouterr().out)] == ["うれしい"]


def test_output_is_replaced_when_all_is_there(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, "in.jsonl", jsonl(*TEXTS))
    output = put(tmp_path, "out.jsonl", "earlier\n")
    assert call("predict", run, path, "-o", output) == 0
    assert [row["text"] for row in results(output.read_text("utf-8"))] == TEXTS
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    assert capsys.readouterr().out == ""
    for wrong in (path, tmp_path / "no" / "x.jsonl", tmp_path):
        assert call("predict", run, path, "-o", wrong) == 2
    assert path.read_text("utf-8") == jsonl(*TEXTS)
    assert call("predict", run, path, "-o", os.devnull) == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_what_was_answered_before_an_interruption_is_kept(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    stop: type[BaseException],
) -> None:
    whole = use.predict_stream

    def stopped(*arguments: Any) -> Iterator[dict[str, object]]:
        for number, result in enumerate(whole(*arguments)):
            if number == 3:
                raise stop
            yield result

    monkeypatch.setattr(use, "predict_stream", stopped)
    path = put(tmp_path, "in.jsonl", jsonl(*TEXTS))
    output = put(tmp_path, "out.jsonl", "earlier\n")
    with pytest.raises(BaseException):  # noqa: B017, PT011  (SystemExit 130, or the bug itself)
        main(["predict", str(run), str(path), "-o", str(output)])
    assert output.read_text() == "earlier\n"
    kept = tmp_path / "out.jsonl.partial"
    assert [row["text"] for row in results(kept.read_text("utf-8"))] == TEXTS[:3]
    assert str(kept) in capsys.readouterr().err


def test_results_come_batch_by_batch(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = use.Predictor.open(run)
    asked = [Input(n, None, (Message("user", TEXTS[n % 5]),)) for n in range(1, 101)]
    sizes: list[int] = []
    whole = use.Predictor.answers

    def counted(self: Any, contexts: Any, batch_size: int) -> Any:
        sizes.append(len(contexts))
        return whole(self, contexts, batch_size)

    monkeypatch.setattr(use.Predictor, "answers", counted)
    stream = use.predict_stream(predictor, asked, 2)
    assert next(stream)["line"] == 1
    assert sizes == [8]  # no more is computed than the first batches
    assert len(list(stream)) == 99


def test_the_terminal_tells_of_some_bad_lines_and_the_output_of_all(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, "a.jsonl", jsonl("あ", *[""] * 50))
    assert call("predict", run, path) == 1
    said = capsys.readouterr()
    assert sum("error" in row for row in results(said.out)) == 50
    assert said.err.count("には答えられません") == predict._MOST_TOLD


def test_how_a_file_was_read_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, "a.tsv", "text\tx\n" + '"会社で言われた\t1\n' + "うれしい\t2\n")
    assert call("predict", run, path) == 0
    said = capsys.readouterr()
    assert [row["text"] for row in results(said.out)] == ['"会社で言われた', "うれしい"]
    assert "a.tsv:2" in said.err
