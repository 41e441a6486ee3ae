"""Text of data and config on the terminal: as it is, and without power over the terminal."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.records import handmade

from kunren.check_preview import Piece, Shown
from kunren.cli import check as check_command
from kunren.cli import console, findings, main
from kunren.errors import InputError, Problem
from kunren.messages import use_language
from kunren.report.format import clean
from kunren.textfile import printable
from kunren.types import Prediction, Where

SOURCE = Path(console.__file__).parents[1]

PLAIN = [
    ":heart:", ":joy:", ":+1:", "[bold]x[/bold]", "[/]", "[red]", "[link=http://a]b[/link]",
    r"\[a]", "{text}", "a|b", "<b>y</b>", "*z*", "`q`", "100%", "https://a.example/[x]",
    "👨‍👩‍👧", "がぎ", "[1, 2]", "[/b",
]  # fmt: skip
STEERING = {
    "\x1b[31m赤": "\\u001b[31m赤",
    "\x1b]0;題\x07": "\\u001b]0;題\\u0007",
    "\u202e逆": "\\u202e逆",
    "a\x9b31m": "a\\u009b31m",
    "x\x08\x08y": "x\\u0008\\u0008y",
    "前\r後": "前\\u000d後",
    "\ud83d": "\\ud83d",
    "\u2066a\u2069": "\\u2066a\\u2069",
}

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(params=["terminal", "pipe"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed: to a terminal with colours, and to a pipe."""
    held = io.StringIO()
    shows = request.param == "terminal"
    for name in ("out", "err"):
        of = Console(
            file=held, force_terminal=shows, width=200, soft_wrap=True, highlight=False,
            markup=getattr(console, name)._markup, emoji=getattr(console, name)._emoji,
        )  # fmt: skip
        monkeypatch.setattr(console, name, of)
    return held


def shown(screen: io.StringIO) -> str:
    """What stands there, without the styles that we gave."""
    return _STYLE.sub("", screen.getvalue())


def print_everywhere(said: str) -> None:
    problem = Problem("data.duplicate-column", Where(said), {"field": said})
    console.show(said)
    console.say(said)
    console.show_styled((said, "bold"), said)
    console.paragraph(said, "  ", "dim")
    console.table(said, [said, said], [[said, said]])
    console.show_error(InputError(problem))
    with console.progress() as progress, progress.stage(said, 1) as bar:
        bar.note(said)
        bar.advance()
        progress.say(said)


@pytest.mark.parametrize("said", PLAIN)
def test_text_is_printed_as_it_is(screen: io.StringIO, said: str) -> None:
    print_everywhere(said)
    assert shown(screen).count(said) >= 13


@pytest.mark.parametrize("said", STEERING)
def test_what_would_steer_the_terminal_is_written_out(screen: io.StringIO, said: str) -> None:
    print_everywhere(said)
    assert shown(screen).count(STEERING[said]) >= 13
    rest = set(shown(screen)) & set("\x1b\x07\x08\x9b\r\u202e\u2066\u2069\ud83d")
    assert not rest - ({"\x1b", "\r"} if "\x1b[?25" in screen.getvalue() else set())


def test_line_breaks_and_tabs_stay() -> None:
    assert printable("一\n二\t三\r\n四") == "一\n二\t三\n四"
    assert clean("一\r\n二\x07\u202e") == "一 \n二\\u0007\\u202e"


def test_styles_are_there_on_a_terminal_alone(screen: io.StringIO) -> None:
    console.show_styled(("太字", "bold"), "と普通")
    coloured = "\x1b[1m" in screen.getvalue()
    assert coloured == console.out.is_terminal
    assert shown(screen) == "太字と普通\n"


@pytest.mark.parametrize("said", [*PLAIN, "\x1b[31m赤"])
def test_findings_and_rows_of_check(screen: io.StringIO, said: str) -> None:
    found = {
        "findings": [
            {"code": "X", "slug": "a", "severity": "warning", "message": said, "evidence": {},
             "fix": {"set": {"task.system": "x"}}},
        ],
        "quiet": [],
        "skipped": [{"code": "Y", "slug": "b", "reason": said}],
    }  # fmt: skip
    findings.show_findings(found)
    pieces = tuple(Piece(said, 1, trained, special) for trained, special in
                   ((False, True), (False, False), (True, False)))  # fmt: skip
    check_command._show_row(Shown("r", said, pieces, pieces, (said,)))
    expected = printable(said)
    assert shown(screen).count(expected) == 2 + 1 + 3 + 3 + 1
    assert f"⟦{expected}⟧" in shown(screen)


@pytest.mark.parametrize("said", [*PLAIN, *STEERING])
def test_json_keeps_every_character(capsys: pytest.CaptureFixture[str], said: str) -> None:
    console.emit_json({"label": said})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"label": said}
    assert not set(printed) & set("\x1b\x9b\u202e\u2066\ud83d")


def test_the_terminal_library_is_used_in_one_place() -> None:
    """Whoever prints by rich alone may forget that it reads markup and emoji codes."""
    users = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "rich" for name in names):
                users.add(path.relative_to(SOURCE).as_posix())
    # The other only measures how wide a character is.
    assert users == {"cli/console.py", "cli/wrapped.py"}
    for of in (console.out, console.err):
        assert (of._markup, of._emoji, of._highlight) == (False, False, False)


LABELS = (":joy:", "[bold]x[/bold]", "[/]", "a|b", "<b>y</b>", "`q`")


def output(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    use_language("ja")
    with pytest.raises(SystemExit):
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return said.out + said.err


def test_labels_of_a_run_in_doctor_and_its_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = handmade.items(40, LABELS)
    one = [Prediction(i.id, (":joy:",), 0.9, generated=":joy:") for i in asked]
    said = {"base": handmade.answers(asked, 0.2, 1, LABELS), "tuned": one}
    path = handmade.make(tmp_path, asked=asked, labels=LABELS, said=said)
    assert "「:joy:」に偏っています" in output(capsys, "doctor", path)
    output(capsys, "report", path)
    record = (path / "summary.md").read_text("utf-8")
    rows = [line for line in record.splitlines() if line.startswith("|")]
    for written in (":joy:", "[bold]x[/bold]", "[/]", r"a\|b", "&lt;b>y&lt;/b>", r"\`q\`"):
        assert any(written in row for row in rows), written
    assert "<b>" not in record
    # A bar in a label divides no cell: each table has as many of them on every line.
    for table in re.findall(r"(?:^\|.*\n)+", record, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table


def test_labels_in_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold = [{"text": f"その{n}", "label": LABELS[n % 6]} for n in range(24)]
    said = [{"prediction": LABELS[n // 4]} for n in range(24)]
    for name, rows in (("gold", gold), ("[red]said:heart:", said)):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, "utf-8")
    files = ("--gold", tmp_path / "gold.jsonl", "--pred", tmp_path / "[red]said:heart:.jsonl")
    shown_ = output(capsys, "score", "--task", "classify", *files, "--bootstrap", "100")
    assert "[red]said:heart:" in shown_
    assert "❤" not in shown_


def test_a_name_that_no_encoding_has_is_printed(tmp_path: Path) -> None:
    name = b"caf\xe9\xff.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "kunren", "check", name], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"caf\\udce9\\udcff.yaml" in done.stderr


WIDE = (
    ("実験", "正解率 (テスト)", "最良の単純な手法 (との差)", "判定"),
    [
        ["headline_lora", "88.4 % [80.1, 95.0]", "86.0 % (差は不明)", "基準"],
        ["headline_full", "91.0 % [83.0, 97.1]", "86.0 % (改善)", "改善"],
    ],
)


@pytest.mark.parametrize("columns", [200, 78, 60, 40])
def test_a_table_is_no_wider_than_the_terminal_and_loses_nothing(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = io.StringIO()
    of = Console(file=held, width=columns, soft_wrap=True, highlight=False)
    monkeypatch.setattr(console, "out", of)
    monkeypatch.setenv("COLUMNS", str(columns))
    console.table("実験結果", *WIDE)
    lines = held.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= columns
    said = "".join("".join(lines).split())
    for row in WIDE[1]:
        for cell in row:
            assert "".join(cell.split()) in said


def test_to_a_file_a_table_is_as_wide_as_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=held, width=40, soft_wrap=True))
    monkeypatch.delenv("COLUMNS", raising=False)
    console.table(None, *WIDE)
    (line,) = (line for line in held.getvalue().splitlines() if "headline_full" in line)
    assert "91.0 % [83.0, 97.1]" in line
    assert "86.0 % (改善)" in line
