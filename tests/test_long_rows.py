"""``train.truncate``: long rows are cut alike in check, training, evaluation and use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_models import save_tiny

from kunren import check, experiment
from kunren.cli import main
from kunren.config.load import load
from kunren.errors import InputError
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.ready import make_ready
from kunren.trial import Trial

FAMILIES = {"gemma": "causal", "t5": "seq2seq", "bert": "encoder"}
LIMIT = {"gemma": 100, "t5": 40, "bert": 40}
LONG = "長い話はまだ続きます。"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_tiny(kind, folder / kind) for kind in FAMILIES}


def write(folder: Path, model: Path, limit: int, extra: str = "") -> Path:
    rows = [
        {
            "text": f"{'良悪'[n % 2]}い話その{n}。" + LONG * (n % 3),
            "label": ("はい", "いいえ")[n % 2],
        }
        for n in range(24)
    ]
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(data, encoding="utf-8")
    config = folder / "long.yaml"
    config.write_text(
        "name: long\n"
        "task: {template: '問い: {text} 判断:'}\n"
        "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.25, test: 0.25}}\n"
        f"model: {{id: {model}}}\n"
        f"train: {{epochs: 1, precision: fp32, max_length: {limit}{extra}}}\n"
        "evaluate: {bootstrap: 100, max_new_tokens: 3, batch_size: 4}\n",
        encoding="utf-8",
    )
    return config


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_a_row_that_is_too_long_is_an_error_that_names_the_setting(
    kind: str, models: dict[str, Path], tmp_path: Path
) -> None:
    config = write(tmp_path, models[kind], 12)
    with pytest.raises(InputError) as caught:
        make_ready(prepare(load(config)), Silent())
    assert "train.truncate: end" in str(caught.value)


def test_a_row_that_no_cut_makes_fit_is_an_error_that_says_so(
    models: dict[str, Path], tmp_path: Path
) -> None:
    config = write(tmp_path, models["gemma"], 60, ", truncate: end")
    with pytest.raises(InputError) as caught:
        make_ready(prepare(load(config)), Silent())
    assert "入力をすべて切っても" in str(caught.value)
    (found,) = [
        finding
        for finding in check.check(config, (), Silent()).found["findings"]
        if finding["slug"] == "truncation"
    ]
    assert "入力をすべて切っても" in found["message"]


@pytest.mark.parametrize("where", ["end", "start", "middle"])
@pytest.mark.parametrize("kind", list(FAMILIES))
def test_check_and_training_read_the_same_short_rows(
    kind: str, where: str, models: dict[str, Path], tmp_path: Path
) -> None:
    limit = LIMIT[kind]
    config = write(tmp_path, models[kind], limit, f", truncate: {where}")
    ready = make_ready(prepare(load(config)), Silent())
    plan, cuts = ready.plan, ready.plan.cuts
    assert cuts
    assert 0 < len(cuts) < 24
    looked = check.check(config, (), Silent())
    assert looked.plan.cuts == cuts
    assert looked.reading is not None
    assert looked.reading.examples == ready.examples
    (note,) = plan.notes
    assert note.code == f"notes.truncated-{where}"
    assert note.fields["rows"] == len(cuts)
    for row, item in (
        pair for side in plan.items for pair in zip(plan.raw[side], plan.items[side], strict=True)
    ):
        said, read = row.messages[0].content, item.text
        assert read.startswith("問い: ")
        assert read.endswith(" 判断:")
        assert item.answer == row.messages[-1].content
        part = read.removeprefix("問い: ").removesuffix(" 判断:")
        assert (part == said) == (row.id not in cuts)
        if where == "end":
            assert said.startswith(part)
        if where == "start":
            assert said.endswith(part)
        (tokens,) = (len(prompt) for prompt in ready.family.prompts([item]))
        assert tokens + (3 if kind == "gemma" else 0) <= limit
    assert plan.whole.items["test"][0].text.endswith("。 判断:")


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_use_reads_what_evaluation_read_and_says_so(
    kind: str, models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, models[kind], LIMIT[kind], ", truncate: end")
    run = experiment.run(config, (), tmp_path / "out", Silent()).folder
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    (noted,) = manifest["data"]["notes"]
    assert "切りました" in (run / "summary.md").read_text("utf-8")
    assert "切りました" in (run / "report.html").read_text("utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(run), str(tmp_path / "rows.jsonl")])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    said = {(row := json.loads(line))["line"]: row for line in lines}
    assert sum(row.get("truncated", False) for row in said.values()) == noted["fields"]["rows"]
    for line in (run / "predictions.jsonl").read_text("utf-8").splitlines():
        stored = json.loads(line)
        answered = said[int(stored["id"].rpartition(":")[2])]
        of_run: dict[str, Any] = stored["systems"]["tuned"]
        assert answered["label"] == of_run["label"]
        assert answered["probability"] == pytest.approx(of_run["probability"], abs=1e-4)


def test_a_resumed_run_asks_with_the_same_cuts(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, models["bert"], LIMIT["bert"], ", truncate: middle")
    overrides = ("evaluate.cv=2",)
    whole = experiment.run(config, overrides, tmp_path / "whole", Silent()).folder

    def stop(_: Trial) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Trial, "_tuned", stop)
        with pytest.raises(KeyboardInterrupt):
            experiment.run(config, overrides, tmp_path / "killed", Silent())
    (killed,) = (tmp_path / "killed").iterdir()
    experiment.resume(killed, Silent())
    for name in ("predictions.jsonl", "summary.md"):
        if name == "predictions.jsonl":
            assert (killed / name).read_bytes() == (whole / name).read_bytes()
        assert "…" in (killed / "predictions.jsonl").read_text("utf-8")
        assert "切りました" in (killed / "summary.md").read_text("utf-8")


def test_a_resumed_run_without_its_cuts_is_refused(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, models["bert"], LIMIT["bert"], ", truncate: end")

    def stop(_: Trial) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Trial, "_tuned", stop)
        with pytest.raises(KeyboardInterrupt):
            experiment.run(config, (), tmp_path / "killed", Silent())
    (killed,) = (tmp_path / "killed").iterdir()
    (killed / "work" / "cuts.json").unlink()
    with pytest.raises(InputError, match=r"work/cuts\.json"):
        experiment.resume(killed, Silent())
