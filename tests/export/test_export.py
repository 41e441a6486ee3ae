"""Exporting a run: what is passed on, what is refused, and that the run stays as it was."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.records.handmade import config, make

from kunren import export as exports
from kunren.cli import main
from kunren.doctor.engine import write_findings
from kunren.errors import InputError
from kunren.export.content import Content, read_content
from kunren.export.run import Exported, Target, without_password
from kunren.report.render import render


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = config().model_dump(mode="json")
    written["data"]["train"] = "/home/hanako/secret-project/tweets.jsonl"
    written["model"]["id"] = "/home/hanako/models/gemma"
    written["train"]["loss"]["class_weights"] = {"😀": 2.0}
    experiment = type(config()).model_validate(written)
    folder = make(tmp_path_factory.mktemp("runs"), experiment=experiment, bootstrap=100)
    write_findings(folder)
    render(folder)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["log", *map(str, arguments)])
    return int(left.value.code or 0)


def test_what_is_exported(run: Path) -> None:
    content = read_content(run)
    assert content.settings["data.train"] == "tweets.jsonl"
    assert content.settings["model.id"] == "gemma"
    assert content.settings["train.epochs"] == "4"
    assert content.settings["train.loss.class_weights"] == '{"😀": 2.0}'
    assert "hanako" not in json.dumps([content.settings, content.facts, content.findings])
    metrics = json.loads((run / "eval_metrics.json").read_text("utf-8"))
    accuracy = metrics["systems"]["tuned"]["accuracy"]
    assert content.results["tuned/accuracy"] == accuracy["value"]
    ends = (content.results["tuned/accuracy_low"], content.results["tuned/accuracy_high"])
    assert list(ends) == accuracy["ci95"]
    losses = [(step, row["eval_loss"]) for step, row in content.curves if "eval_loss" in row]
    assert losses == [(4, 1.6), (8, 1.1), (12, 0.9), (16, 0.95)]
    assert content.findings
    assert "テスト 40 件" in content.verdict
    assert {"summary.md", "report.html", "charts/loss.png"} <= set(content.files)
    assert content.identity == read_content(run).identity


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    other = make(tmp_path)
    state = json.loads((other / "status.json").read_text("utf-8"))
    (other / "status.json").write_text(json.dumps(state | {"status": "stopped"}), "utf-8")
    with pytest.raises(InputError) as caught:
        read_content(other)
    assert caught.value.problems[0].code == "run.unfinished"


def test_a_missing_package_is_told_with_its_command(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exports.run, "REQUIRES", {"trackio": {"no_such_package": "no-such"}})
    before = hashes(run)
    assert call(run, "--to", "trackio") == 2
    assert "pip install no-such" in capsys.readouterr().err
    assert hashes(run) == before


def failing(content: Content, target: Target) -> Exported:
    print("noise of the tracker")
    raise ConnectionError(f"http://taro:pass@{target.project}/ did not answer {content.name}")


def test_an_exporter_that_fails_says_so_and_harms_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exports.run, "REQUIRES", {"trackio": {}})
    monkeypatch.setattr(exports.run, "EXPORTERS", {"trackio": f"{__name__}:failing"})
    before = hashes(run)
    assert call(run, "--to", "trackio", "--project", "host", "--format", "json") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "ConnectionError: http://host/ did not answer" in said.err
    assert "taro" not in said.err
    assert hashes(run) == before


def test_options_that_do_not_belong_together(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(run, "--to", "mlflow", "--dir", "x") == 2
    assert call(run, "--to", "trackio", "--uri", "sqlite:///x.db") == 2
    monkeypatch.setattr(exports.run, "REQUIRES", {"tensorboard": {}})
    assert call(run, "--to", "tensorboard", "--project", "../elsewhere") == 2
    assert without_password("x http://a:b@c/d") == "x http://c/d"


def in_a_process(run: Path, folder: Path, to: str, target: str, read_back: str) -> Any:
    """Export three times, the last time to replace, and run ``read_back``, which sets ``told``.

    In a process of its own, since trackers keep settings and threads.
    """
    code = (
        "import json\n"
        "from pathlib import Path\n"
        "from kunren.export.run import Target, export\n"
        f"run = Path({str(run)!r})\n"
        f"export_ = lambda replace: export(run, {to!r}, Target({target}, replace)).status\n"
        "statuses = [export_(replace) for replace in (False, False, True)]\n"
        f"{read_back}\n"
        "print(json.dumps([statuses, told]))"
    )
    before = hashes(run)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert hashes(run) == before
    statuses, told = json.loads(done.stdout)  # the tracker itself printed nothing
    assert statuses == ["written", "already", "replaced"]
    return told


def test_mlflow_has_the_run_once(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    code = (
        "from mlflow import MlflowClient\n"
        "c = MlflowClient('sqlite:///mlflow.db')\n"
        "e = c.get_experiment_by_name('実験').experiment_id\n"
        "(r,) = c.search_runs([e])\n"
        "h = c.get_metric_history(r.info.run_id, 'eval_loss')\n"
        "f = [a.path for a in c.list_artifacts(r.info.run_id)]\n"
        "told = [r.info.status, r.data.params['model.id'],\n"
        "  r.data.metrics['tuned/accuracy_low'], [(m.step, m.value) for m in h], f]"
    )
    told = in_a_process(run, tmp_path, "mlflow", "'実験', 'sqlite:///mlflow.db', None", code)
    low = read_content(run).results["tuned/accuracy_low"]
    curve = [[4, 1.6], [8, 1.1], [12, 0.9], [16, 0.95]]
    assert told[:4] == ["FINISHED", "gemma", pytest.approx(low), curve]
    assert {"charts", "summary.md", "report.html"} <= set(told[4])


def test_tensorboard_has_the_run_once(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    code = (
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        f"a = EventAccumulator('logs/kunren/{run.name}').Reload()\n"
        "curve = [(s.step, round(s.value, 3)) for s in a.Scalars('eval_loss')]\n"
        "told = [curve, a.Scalars('results/tuned/accuracy')[0].value,\n"
        "  sorted(a.Tags()['images']), sorted(a.Tags()['tensors'])]"
    )
    told = in_a_process(run, tmp_path, "tensorboard", "'kunren', '', Path('logs')", code)
    assert told[0] == [[4, 1.6], [8, 1.1], [12, 0.9], [16, 0.95]]
    assert told[1] == pytest.approx(read_content(run).results["tuned/accuracy"])
    assert {"confusion", "labels", "loss"} <= set(told[2])
    assert {"verdict/text_summary", "settings/text_summary"} <= set(told[3])
    (events,) = (tmp_path / "logs" / "kunren" / run.name).glob("*tfevents*")
    assert events.name.endswith(".kunren.0")  # not the name of this machine


def test_trackio_has_the_run_once(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    code = (
        "import trackio\n"
        "from trackio.sqlite_storage import SQLiteStorage as S\n"
        "(r,) = trackio.Api().runs('kunren')\n"
        "logs = S.get_logs('kunren', r.name, run_id=r.id)\n"
        "curve = [(l['step'], l['eval_loss']) for l in logs if 'eval_loss' in l]\n"
        "last = [l['results/tuned/accuracy'] for l in logs if 'results/tuned/accuracy' in l]\n"
        "told = [r.name, r.config['model.id'], r.config['_Username'], curve, last]"
    )
    told = in_a_process(run, tmp_path, "trackio", "'kunren', '', Path('db')", code)
    accuracy = read_content(run).results["tuned/accuracy"]
    curve = [[4, 1.6], [8, 1.1], [12, 0.9], [16, 0.95]]
    assert told == [run.name, "gemma", None, curve, [accuracy]]
