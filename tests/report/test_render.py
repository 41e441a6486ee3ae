from __future__ import annotations

import base64
import csv
import hashlib
import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from tests.records import handmade

from kunren.doctor.engine import write_findings
from kunren.errors import InputError, Problem, TrainingStopped
from kunren.messages import use_language
from kunren.records import trainlog
from kunren.records.folder import Run
from kunren.report.render import NOTES, render
from kunren.types import Prediction


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def made(path: Path) -> str:
    """Diagnose and render a run folder; its summary."""
    write_findings(path)
    render(path)
    return (path / "summary.md").read_text(encoding="utf-8")


def section(summary: str, heading: str) -> str:
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", summary, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def test_writes_the_record_of_the_design(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    summary = made(path)
    assert {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} == {
        "charts/calibration.png",
        "charts/confusion.png",
        "charts/labels.png",
        "charts/loss.png",
        "charts/metrics.png",
        "comparison.csv",
        "config.yaml",
        "eval_metrics.json",
        "findings.json",
        "manifest.json",
        "predictions.jsonl",
        "predictions_sample.jsonl",
        "report.html",
        "status.json",
        "summary.md",
        "train_log.csv",
    }
    headings = re.findall(r"^## (.*)$", summary, re.MULTILINE)
    assert headings == [
        *("概要", "データ", "設定", "結果", "この結果を信用してよいか", "学習の経過"),
        *("予測サンプル", "間違いの傾向", "所見", "次の一手", "再現方法", "ファイル", "メモ"),
    ]
    assert "None" not in summary
    assert not re.search(r"\bnan\b", summary.lower())


def test_rendering_again_gives_the_same_bytes(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    made(path)
    first = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    made(path)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == first


def test_summary_says_what_the_files_say(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    summary = made(path)
    metrics = json.loads((path / "eval_metrics.json").read_text(encoding="utf-8"))
    results = section(summary, "結果")
    for scores in metrics["systems"].values():
        low, high = scores["accuracy"]["ci95"]
        value = scores["accuracy"]["value"]
        assert f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]" in results
    assert "**3 ★**" in section(summary, "学習の経過")
    assert section(summary, "概要").index("結論") < section(summary, "概要").index("| 項目")
    assert "package:gemma-3-270m" in section(summary, "設定")
    samples = section(summary, "予測サンプル")
    rows = [json.loads(x) for x in (path / "predictions.jsonl").read_text("utf-8").splitlines()]
    good = samples[: samples.index("### 課題")]
    right = [r["text"] for r in rows if r["systems"]["tuned"]["correct"]]
    wrong = [r["text"] for r in rows if not r["systems"]["tuned"]["correct"]]
    assert sum(text in good for text in right) == 5
    assert not any(text in good for text in wrong)
    assert "😭 | 学習にない絵文字" in section(summary, "間違いの傾向")


def test_notes_survive(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    summary = made(path)
    assert summary.endswith(f"{NOTES}\n\n(ここに自由に書いてください。)\n")
    notes = "\r\n次は 3e-5 で。\n\n## メモの中の見出し\n| 表 |\n<!-- kunren:notes -->\nおわり"
    head, line, _ = summary.partition(NOTES)
    (path / "summary.md").write_bytes((head + line + notes).encode())
    made(path)
    once = (path / "summary.md").read_bytes().decode()
    assert once.endswith(
        "次は 3e-5 で。\n\n## メモの中の見出し\n| 表 |\n<!-- kunren:notes -->\nおわり"
    )
    made(path)
    assert (path / "summary.md").read_bytes().decode() == once


def test_notes_survive_without_the_marker(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    summary = made(path)
    (path / "summary.md").write_text(summary.replace(NOTES, "") + "大事なこと\n", encoding="utf-8")
    assert made(path).endswith("大事なこと\n")
    (path / "summary.md").write_text("すべて書き直した", encoding="utf-8")
    made(path)
    assert (path / "summary.old.md").read_text(encoding="utf-8") == "すべて書き直した"


def island(page: str) -> Any:
    """The facts that the page carries."""
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


HOSTILE = (
    "<script>alert(1)</script> | [x](http://e.example) ![y](z) `c` _d_ &amp; **e**\u202e\x1b[31m"
)


def test_text_from_data_is_never_markup(tmp_path: Path) -> None:
    asked = [handmade.with_text(i, HOSTILE + str(n)) for n, i in enumerate(handmade.items(20))]
    said = {"base": handmade.answers(asked, 0.2, 1), "tuned": handmade.answers(asked, 0.6, 2)}
    said["tuned"] = [
        Prediction(p.item_id, p.labels, p.probability, p.probabilities, HOSTILE)
        for p in said["tuned"]
    ]
    path = handmade.make(tmp_path, asked=asked, said=said)
    summary = made(path)
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(summary)
    tags = set(re.findall(r"<(/?\w+)", shown))
    assert not tags & {"script", "a", "em", "del"}
    assert set(re.findall(r'<img src="([^"]*)"', shown)) == {
        f"charts/{name}.png" for name in ("loss", "metrics", "labels", "calibration", "confusion")
    }
    visible = html.unescape(re.sub(r"<[^>]*>", "", shown))
    assert HOSTILE.partition("**e**")[0] in visible
    assert "\x1b" not in summary
    assert "\u202e" not in summary
    columns = {row.count("<td") for row in shown.split("<tr>") if "alert(1)" in row}
    assert columns == {3, 4}
    page = (path / "report.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page


def test_a_hostile_name_and_label(tmp_path: Path) -> None:
    labels = ("<b>太</b>", "a|b", "$x$", "😀")
    asked = handmade.items(20, labels)
    path = handmade.make(
        tmp_path, labels=labels, asked=asked, experiment=handmade.config(name="<i>名前")
    )
    summary = made(path)
    assert "<b>" not in summary
    assert "<i>" not in summary
    page = (path / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "<i>" not in page


def test_page_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    made(path)
    page = (path / "report.html").read_text(encoding="utf-8")
    for target in re.findall(r"""(?:src|href|url|action)\s*[=(]\s*["']?([^"')\s>]+)""", page):
        assert target.startswith("data:image/png;base64,"), target
    assert "default-src 'none'" in page
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{html.escape(digest)}'" in html.unescape(page)
    plain = re.findall(r"<noscript>.*?</noscript>", page, re.DOTALL)[-1]
    assert plain.count('<td class="text">') == 40
    assert len(island(page)["rows"]) == 40


def stopped(tmp_path: Path, error: BaseException, stage: str = "train") -> Path:
    run = Run.create(tmp_path, "途中", date(2025, 12, 24))
    content = yaml.safe_dump(handmade.config().model_dump(mode="json"), allow_unicode=True)
    run.write_text("config.yaml", content)
    run.stage(stage)
    with pytest.raises(type(error)), run.watched():
        raise error
    return run.path


def test_a_stopped_run_says_where_and_why(tmp_path: Path) -> None:
    fields: dict[str, object] = {"step": 7, "loss": "nan", "rows": "r1", "parameter": "w"}
    path = stopped(tmp_path, TrainingStopped(Problem("train.non-finite", fields=fields)))
    summary = made(path)
    overview = section(summary, "概要")
    assert "「学習」の段階で止まりました" in overview
    assert "ステップ 7" in overview
    for heading in ("結果", "予測サンプル", "間違いの傾向", "学習の経過", "データ"):
        assert "まだありません" in section(summary, heading)
    assert "重大" in section(summary, "所見")
    assert "同じ設定で再開しても" in section(summary, "次の一手")


def test_a_failed_and_an_interrupted_run(tmp_path: Path) -> None:
    path = stopped(tmp_path, RuntimeError("<boom>"))
    overview = section(made(path), "概要")
    assert "エラーになりました" in overview
    assert "&lt;boom>" in overview
    status = json.loads((path / "status.json").read_text(encoding="utf-8"))
    (path / "status.json").write_text(json.dumps(status | {"status": "running"}), encoding="utf-8")
    summary = made(path)
    assert "「学習」の段階で中断されました" in section(summary, "概要")
    assert "--resume" in section(summary, "次の一手")
    assert "判断できる材料がまだありません" in section(summary, "所見")
    assert "`charts`" not in section(summary, "ファイル")


def test_a_run_that_stopped_while_training_shows_its_log(tmp_path: Path) -> None:
    path = stopped(tmp_path, RuntimeError("x"))
    trainlog.write_log(path / trainlog.NAME, handmade.history([1.0, 0.8]))
    training = section(made(path), "学習の経過")
    assert "予定の 4 エポックのうち 2 までの記録" in training
    assert (path / "charts" / "loss.png").is_file()


def outcome(tmp_path: Path, name: str) -> Path:
    labels: tuple[str, ...]
    asked, labels = handmade.items(40), handmade.LABELS
    base, tuned = handmade.answers(asked, 0.2, 1), handmade.answers(asked, 0.8, 2)
    more: dict[str, Any] = {}
    if name == "worse":
        base, tuned = tuned, base
    elif name == "indistinguishable":
        tuned = handmade.answers(asked, 0.25, 5)
    elif name == "all right":
        tuned = handmade.answers(asked, 1.0, 2)
    elif name == "all wrong":
        tuned = handmade.answers(asked, 0.0, 2)
    elif name == "collapse":
        tuned = [Prediction(i.id, ("😀",), 0.9, (), "😀") for i in asked]
    elif name == "no generation":
        base = handmade.answers(asked, 0.2, 1, generated=False)
        tuned = handmade.answers(asked, 0.8, 2, generated=False)
    elif name == "three rows":
        asked = asked[:3]
        base, tuned = base[:3], tuned[:3]
    elif name == "one epoch":
        more["losses"] = (1.2,)
    elif name == "stopped early":
        more |= {"losses": (1.2, 0.9, 1.0, 1.1), "training": {"stopped_early": True}}
        more["experiment"] = handmade.config(train={"epochs": 30})
    elif name == "two labels":
        labels = ("😀", "😢")
        asked = handmade.items(40, labels)
        base = handmade.answers(asked, 0.5, 1, labels)
        tuned = handmade.answers(asked, 0.8, 2, labels)
    elif name == "many labels":
        labels = tuple(f"分野{n}" for n in range(70))
        asked = handmade.items(140, labels)
        base = handmade.answers(asked, 0.1, 1, labels)
        tuned = handmade.answers(asked, 0.4, 2, labels)
        more["train"] = handmade.items(280, labels, "train-")
    elif name == "unseen label":
        asked = [*asked, *handmade.items(2, ("🥺",), "u")]
        base = [*base, *(Prediction(i.id, ("😀",), 1.0) for i in asked[40:])]
        tuned = [*tuned, *(Prediction(i.id, ("😢",), 1.0) for i in asked[40:])]
    said = {"base": base, "tuned": tuned}
    if name == "no base":
        del said["base"]
    return handmade.make(tmp_path, asked=asked, labels=labels, said=said, **more)


OUTCOMES = {
    "worse": "学習前の 80.0 % から悪化しました",
    "indistinguishable": "この件数では不明です",
    "all right": "学習後のモデルの間違いはありません",
    "all wrong": "学習後のモデルが正解した行はありません",
    "collapse": "に偏っています",
    "no generation": "自由生成をしていません",
    "three rows": "テスト 3 件",
    "one epoch": "★ のエポック 1 の重みを採用",
    "stopped early": "予定の 30 エポックのうち 4 で学習を終えました (早期終了)",
    "two labels": "ラベルは 2 種で",
    "many labels": "ほか 20 種",
    "unseen label": "「🥺」は学習データにない",
    "no base": "比べる相手がない",
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_is_true_for_any_outcome(tmp_path: Path, name: str) -> None:
    path = outcome(tmp_path, name)
    summary = made(path)
    assert OUTCOMES[name] in summary
    if name == "unseen label":
        assert "学習データにないラベルのテストデータが 2 件あります (🥺)" in section(
            summary, "結果"
        )
    assert "None" not in summary
    use_language("en")
    english = made(path)
    ours = (section(english, "Results") + section(english, "Findings")).replace("うれしいです", "")
    assert not re.search(r"[ぁ-ん]", ours)


def test_a_worse_model_is_nowhere_praised(tmp_path: Path) -> None:
    path = outcome(tmp_path, "worse")
    summary = made(path)
    assert "使わないでください" in section(summary, "所見")
    assert "学習前は正解していた" in section(summary, "予測サンプル")


def test_comparison_and_sample(tmp_path: Path) -> None:
    asked = handmade.items(50)
    asked[0] = handmade.with_text(asked[0], '=HYPERLINK("http://e.example")')
    said = {"base": handmade.answers(asked, 0.5, 1), "tuned": handmade.answers(asked, 0.5, 2)[::-1]}
    path = handmade.make(tmp_path, asked=asked, said=said)
    made(path)
    with (path / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [i.id for i in asked]
    assert rows[0]["text"] == '\'=HYPERLINK("http://e.example")'
    for row in rows:
        kinds = {("True", "True"): "right", ("False", "True"): "fixed"}
        kinds |= {("True", "False"): "broken", ("False", "False"): "wrong"}
        assert row["change"] == kinds[(row["base_correct"], row["tuned_correct"])]
    sample = (path / "predictions_sample.jsonl").read_text(encoding="utf-8").splitlines()
    everything = (path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(sample) == 20
    assert len(set(sample) & set(everything)) == 20


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        render(tmp_path)


def test_no_torch_is_imported() -> None:
    code = (
        "import sys\n"
        "import kunren.report.render, kunren.doctor.engine, kunren.records.provenance\n"
        "import kunren.doctor.look, kunren.doctor.rules.output, kunren.doctor.rules.training_fit\n"
        "import kunren.evaluation.baselines, kunren.evaluation.score\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
