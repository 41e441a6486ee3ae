"""Tables as people have them: quotes that are text, titles, delimiters, names of columns, words."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from kunren.config.schema import Fields
from kunren.data.formats import Wanted, parse
from kunren.data.missing import is_missing, may_be_missing
from kunren.data.read import Read, read
from kunren.errors import Problem

LABELS = ("良い", "悪い", "ふつう")
TEXTS = [f"{n}通目の手紙が届いたので{'晴雨雪風'[n % 4]}の話を書く" for n in range(24)]


def lines(delimiter: str = ",", count: int = 24) -> list[str]:
    return [f"{TEXTS[n]}{delimiter}{LABELS[n % 3]}" for n in range(count)]


def table(rows: Sequence[str], delimiter: str = ",", end: str = "\n") -> str:
    return end.join([f"text{delimiter}label", *rows]) + end


def load(folder: Path, name: str, content: str | bytes, fields: Fields | None = None) -> Read:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, fields or Fields())


def told(problems: Sequence[Problem]) -> list[tuple[str, int | None]]:
    return [(p.code.removeprefix("data."), p.where.line if p.where else None) for p in problems]


def texts(found: Read) -> list[str]:
    return [row.messages[0].content for row in found.rows]


# --- an unpaired quote never eats rows in silence ---


def stray(rows: list[str], first: int, last: int, delimiter: str, column: int = 0) -> list[str]:
    """Rows of which one opens a cell by a stray quote, and a later one closes it by another."""
    found = list(rows)
    cells = found[first].split(delimiter)
    cells[column] = f'"{cells[column]}'
    found[first] = delimiter.join(cells)
    cells = found[last].split(delimiter)
    cells[column] += '"'
    found[last] = delimiter.join(cells)
    return found


@pytest.mark.parametrize(("first", "last"), [(3, 9), (0, 23), (5, 6), (10, 12)])
@pytest.mark.parametrize("column", [0, 1])
def test_a_pair_of_stray_quotes_in_a_csv_is_told_with_its_place(
    tmp_path: Path, first: int, last: int, column: int
) -> None:
    found = load(tmp_path, "a.csv", table(stray(lines(), first, last, ",", column)))
    (problem,) = found.problems
    assert told([problem]) == [("open-quote", first + 2)]
    begins = 1 if column == 0 else len(TEXTS[first]) + 2
    assert problem.fields["column"] == begins
    assert (problem.fields["end"], problem.fields["rows"]) == (last + 2, last - first)
    assert len(found.rows) == 23  # all but that row
    assert [row.where.line for row in found.rows if row.where.line == first + 2] == []


@pytest.mark.parametrize(("first", "last"), [(3, 9), (0, 23), (5, 6)])
@pytest.mark.parametrize("column", [0, 1])
def test_in_a_tsv_it_is_text(tmp_path: Path, first: int, last: int, column: int) -> None:
    found = load(tmp_path, "a.tsv", table(stray(lines("\t"), first, last, "\t", column), "\t"))
    assert not found.problems
    assert len(found.rows) == 24
    assert told(found.notes) == [("quotes-as-text", first + 2)]
    if column == 0:
        assert texts(found)[first] == f'"{TEXTS[first]}'
        assert texts(found)[last] == f'{TEXTS[last]}"'


@pytest.mark.parametrize("odd", ["まれ", ""])
def test_a_rare_or_missing_label_among_the_swallowed_rows(tmp_path: Path, odd: str) -> None:
    rows = stray(lines(), 3, 9, ",")
    rows[5] = f"{TEXTS[5]},{odd}"
    found = load(tmp_path, "a.csv", table(rows))
    assert told(found.problems)[0] == ("open-quote", 5)
    assert told(found.problems)[1:] == []  # whether an empty label is one, the task says
    assert len(found.rows) == 23


def test_lines_that_fit_by_half_are_believed_and_told(tmp_path: Path) -> None:
    cell = '"晴れ,良い\nくもり,ほか\n雨",悪い'
    found = load(tmp_path, "a.csv", table([*lines(), cell]))
    assert not found.problems
    assert len(found.rows) == 25
    assert told(found.notes) == [("long-cells", 26)]


def test_an_id_column_tells_rows_from_lines_of_a_cell(tmp_path: Path) -> None:
    rows = [f"{n},{TEXTS[n]},答え{n}の文章" for n in range(24)]
    rows[4] = rows[4].replace(",", ',"', 1)
    rows[6] = f'6,{TEXTS[6]}",答え6の文章'
    found = load(tmp_path, "a.csv", "id,text,label\n" + "\n".join(rows))
    assert told(found.problems) == [("open-quote", 6)]
    assert len(found.rows) == 23


def test_many_lines_like_rows_are_rows_where_nothing_else_tells(tmp_path: Path) -> None:
    rows = [f"{TEXTS[n]},{n}番の答えはこうです" for n in range(24)]
    found = load(tmp_path, "a.csv", table(stray(rows, 3, 9, ",")))
    assert told(found.problems) == [("open-quote", 5)]
    # Two lines with a comma each may be a text by chance: believed, and told.
    found = load(tmp_path, "b.csv", table(stray(rows, 3, 4, ",")))
    assert not found.problems
    assert told(found.notes) == [("long-cells", 5)]
    assert found.notes[0].fields["end"] == 6


@pytest.mark.parametrize("at", [0, 7, 23])
def test_a_quote_that_is_never_closed(tmp_path: Path, at: int) -> None:
    rows = lines()
    rows[at] = f'"{rows[at]}'
    found = load(tmp_path, "a.csv", table(rows))
    code = "broken-csv" if at == 23 else "open-quote"
    assert told(found.problems) == [(code, at + 2)]
    assert len(found.rows) == 23
    rows = [row.replace(",", "\t") for row in rows]
    found = load(tmp_path, "a.tsv", table(rows, "\t"))
    assert not found.problems
    assert len(found.rows) == 24
    assert told(found.notes) == [("quotes-as-text", at + 2)]


def test_several_of_them_and_quotes_between(tmp_path: Path) -> None:
    rows = lines()
    rows[2] = f'"{rows[2]}'
    rows[5] = f'"{TEXTS[5]}、と, 書いた",良い'
    rows[8] = f'{TEXTS[8]},"悪い'
    rows[11] = '"「はい」と彼は""言った""",良い'
    found = load(tmp_path, "a.csv", table(rows))
    assert told(found.problems) == [("open-quote", 4), ("open-quote", 10)]
    assert f"{TEXTS[5]}、と, 書いた" in texts(found)
    assert '「はい」と彼は"言った"' in texts(found)
    assert len(found.rows) == 22


LEGITIMATE = {
    "lines of a poem": '"古池や\n蛙飛びこむ\n水の音",良い',
    "a blank line": '"一段落目。\n\n二段落目。",悪い',
    "commas on each line": '"りんご,みかん\nぶどう,柿",ふつう',
    "commas on many lines": '"一,二\n三,四\n五,六\n七,八",良い',
    "quotes inside": '"彼は\n""はい""\nと言った",良い',
    "in the label": f'{TEXTS[0]},"良い\n"',
}


@pytest.mark.parametrize("case", LEGITIMATE)
def test_cells_over_several_lines_stay_cells(tmp_path: Path, case: str) -> None:
    for end in ("\n", "\r\n"):
        content = table([*lines()[:12], LEGITIMATE[case], *lines()[12:]], end=end)
        found = load(tmp_path, "a.csv", content)
        assert not found.problems
        assert not found.notes
        assert len(found.rows) == 25


def test_a_multi_line_cell_with_a_stray_quote_is_one_broken_row(tmp_path: Path) -> None:
    row = '"彼は\n"はい"と言った\n最後の行",良い'
    found = load(tmp_path, "a.csv", table([*lines()[:3], row, *lines()[3:]]))
    assert told(found.problems) == [("broken-csv", 5)]
    assert texts(found) == TEXTS


def test_a_tsv_that_quotes_properly_keeps_doing_so(tmp_path: Path) -> None:
    rows = [f'"{TEXTS[n]}"\t"{LABELS[n % 3]}"' for n in range(24)]
    rows[4] = f'"{TEXTS[4]}\t悪い'
    found = load(tmp_path, "a.tsv", table(rows, "\t"))
    assert not found.problems
    assert texts(found)[3] == TEXTS[3]
    assert texts(found)[4] == f'"{TEXTS[4]}'


def test_one_column_has_no_other_reading(tmp_path: Path) -> None:
    rows = [*TEXTS[:3], f'"{TEXTS[3]}', TEXTS[4], f'{TEXTS[5]}"', *TEXTS[6:]]
    parsed = parse("\n".join(["text", *rows]).encode(), "a.csv", Wanted(("text",)))
    assert told(parsed.notes) == [("long-cells", 5)]
    assert parsed.notes[0].fields["rows"] == 3


def test_no_row_is_lost_unsaid(tmp_path: Path) -> None:
    """Quotes put anywhere: every line is in a row, or in what is told."""
    chance = random.Random(0)
    for _ in range(300):
        rows = lines(",", 12)
        for _ in range(chance.randint(1, 4)):
            n = chance.randrange(12)
            at = chance.choice([0, len(rows[n]), rows[n].index(","), rows[n].index(",") + 1])
            rows[n] = rows[n][:at] + '"' + rows[n][at:]
        parsed = parse(table(rows).encode(), "a.csv", Wanted(("text", "label")))
        covered = {record.line for record in parsed.records}
        covered |= {p.where.line for p in parsed.problems if p.where and p.where.line}
        assert len(covered) == 12 or parsed.problems or parsed.notes, rows


@pytest.mark.parametrize("header", ['"text,label', 'text,"label', '"text",label"', 'text,label"'])
def test_a_stray_quote_among_the_names_eats_no_rows(tmp_path: Path, header: str) -> None:
    found = load(tmp_path, "a.csv", "\n".join([header, *lines()]))
    assert texts(found) == TEXTS
    rows = stray(lines(), 3, 9, ",")
    found = load(tmp_path, "b.csv", "\n".join([header, *rows]))
    assert told(found.problems) == [("open-quote", 5)]


# --- other ways to write quotes ---


def test_backslashes_before_quotes(tmp_path: Path) -> None:
    content = table([rf'"{TEXTS[n]}\"強調\", と","{LABELS[n % 3]}"' for n in range(24)])
    found = load(tmp_path, "a.csv", content)
    assert not found.problems
    assert texts(found)[0] == f'{TEXTS[0]}"強調", と'
    assert told(found.notes) == [("backslash-quotes", None)]
    # At the end of a cell \"" looks like a quote that is written twice.
    found = load(tmp_path, "b.csv", table([rf'"{TEXTS[n]}\"","良い"' for n in range(24)]))
    assert texts(found) == [f'{text}"' for text in TEXTS]


def test_what_databases_write_for_null(tmp_path: Path) -> None:
    rows = [f'"{TEXTS[n]}\\"","{LABELS[n % 3]}",\\N' for n in range(24)]
    found = load(tmp_path, "a.csv", "text,label,memo\n" + "\n".join(rows))
    assert {row.fields["memo"] for row in found.rows} == {""}
    rows = [f"{TEXTS[n]},{LABELS[n % 3]},\\N" for n in range(24)]
    found = load(tmp_path, "b.csv", "text,label,memo\n" + "\n".join(rows))
    assert {row.fields["memo"] for row in found.rows} == {""}


def test_a_backslash_is_text_where_quotes_are_doubled(tmp_path: Path) -> None:
    found = load(tmp_path, "a.csv", table([r"C:\temp\a.txt,良い", r'"a\, ""b""",悪い']))
    assert texts(found) == [r"C:\temp\a.txt", r'a\, "b"']


def test_spaces_before_quotes(tmp_path: Path) -> None:
    rows = [f'{n}, "{TEXTS[n]}, ね", "{LABELS[n % 3]}"' for n in range(24)]
    found = load(tmp_path, "a.csv", "id, text, label\n" + "\n".join(rows))
    assert texts(found) == [f"{text}, ね" for text in TEXTS]
    assert found.rows[0].messages[1].content == "良い"
    rows = [f'{n}, "{TEXTS[n]}", {LABELS[n % 3]}' for n in range(24)]
    found = load(tmp_path, "b.csv", "id, text, label\n" + "\n".join(rows))
    assert texts(found) == TEXTS


# --- delimiters ---


@pytest.mark.parametrize(
    ("name", "delimiter", "noted"),
    [
        ("a.csv", ";", True), ("a.csv", "\t", True), ("a.csv", "|", True), ("a.tsv", ",", True),
        ("a.tsv", ";", True), ("a.tab", "\t", False), ("a.csv", ",", False),
    ],
)  # fmt: skip
def test_delimiters(tmp_path: Path, name: str, delimiter: str, noted: bool) -> None:
    found = load(tmp_path, name, table(lines(delimiter), delimiter))
    assert texts(found) == TEXTS
    assert told(found.notes) == ([("delimiter", 1)] if noted else [])


def test_semicolons_with_commas_in_the_texts(tmp_path: Path) -> None:
    rows = [f"{TEXTS[n]}, しかし, 続く;{LABELS[n % 3]}" for n in range(24)]
    found = load(tmp_path, "a.csv", table(rows, ";"))
    assert texts(found)[0] == f"{TEXTS[0]}, しかし, 続く"
    unnamed = load(tmp_path, "b.csv", "本文;ラベル\n" + "\n".join(rows))
    assert unnamed.problems[0].fields["found"] == "本文、ラベル"


def test_excels_own_line_about_the_delimiter(tmp_path: Path) -> None:
    found = load(tmp_path, "a.csv", "\ufeffsep=;\r\n" + table(lines(";"), ";", "\r\n"))
    assert texts(found) == TEXTS
    assert found.rows[0].where.line == 3


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    assert texts(load(tmp_path, "a.csv", table(lines(), end=end))) == TEXTS


def test_a_table_in_a_text_file_is_known_by_the_names_of_its_columns(tmp_path: Path) -> None:
    assert texts(load(tmp_path, "a.txt", table(lines("\t"), "\t"))) == TEXTS
    found = load(tmp_path, "b.txt", "本文\tラベル\n" + "\n".join(lines("\t")))
    assert told(found.problems) == [("unknown-format", None)]


def test_json_that_was_named_a_table(tmp_path: Path) -> None:
    assert len(load(tmp_path, "a.csv", '{"text": "あ", "label": "い"}\n' * 3).rows) == 3


# --- the names of the columns ---


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("売上アンケート\n", 2),
        ("売上アンケート(2024年度),\n,\n", 3),
        ('"題名,\n二行の題名",\n作成: 山田,\n', 4),
        ("2024年,第2回\n\n", 3),
    ],
)
def test_a_title_above_the_names_is_left_out_and_told(
    tmp_path: Path, above: str, line: int
) -> None:
    found = load(tmp_path, "a.csv", above + table(lines()))
    assert texts(found) == TEXTS
    assert told(found.notes) == [("title-lines", line)]


def test_a_title_above_other_names_shows_those(tmp_path: Path) -> None:
    found = load(tmp_path, "a.csv", "アンケート,\n,\n本文,ラベル\n" + "\n".join(lines()))
    assert [(p.code, p.fields["found"]) for p in found.problems] == [
        ("data.missing-column", "本文、ラベル")
    ] * 2
    assert {p.where.line for p in found.problems if p.where} == {3}


def test_rows_are_never_taken_for_a_title(tmp_path: Path) -> None:
    rows = ["あ,", ",い", "text,label"]
    found = load(tmp_path, "a.csv", "text,label\n" + "\n".join(rows))
    assert told(found.problems) == [("empty-text", 3)]
    assert told(found.notes) == [("header-again", 4)]


NAMES = ["本文データ", "ガギグ", "パス", "が", "café", "本文ー"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("here", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_compared_composed(tmp_path: Path, name: str, here: str, there: str) -> None:
    config = unicodedata.normalize(here, name)  # type: ignore[arg-type]
    written = unicodedata.normalize(there, name)  # type: ignore[arg-type]
    fields = Fields(text=config)
    rows = "\n".join(lines())
    found = load(tmp_path, "a.csv", f"{written},label\n{rows}", fields)
    assert texts(found) == TEXTS
    assert not found.notes
    found = load(tmp_path, "a.jsonl", f'{{"{written}": "あ", "label": "い"}}\n' * 2, fields)
    assert texts(found) == ["あ", "あ"]


@pytest.mark.parametrize("name", ["ｔｅｘｔ", "ﾃｷｽﾄ", " text ", "text\u3000"])
def test_names_may_have_another_width(tmp_path: Path, name: str) -> None:
    fields = Fields(text="テキスト" if "ﾃ" in name else "text")
    found = load(tmp_path, "a.csv", f"{name},ｌａｂｅｌ\n" + "\n".join(lines()), fields)
    assert texts(found) == TEXTS
    assert "column-renamed" in {code for code, _ in told(found.notes)}


def test_a_name_that_could_be_two_columns_is_neither(tmp_path: Path) -> None:
    found = load(tmp_path, "a.csv", "ｔｅｘｔ,ｔext,label\nあ,い,う\n")
    assert told(found.problems)[0][0].startswith("missing-column")
    both = load(tmp_path, "b.csv", "ｔｅｘｔ,text,label\nあ,い,う\n")
    assert texts(both) == ["い"]
    assert both.rows[0].fields["ｔｅｘｔ"] == "あ"


def test_columns_without_a_name(tmp_path: Path) -> None:
    index = "\n".join(f"{n},{row}" for n, row in enumerate(lines()))
    found = load(tmp_path, "a.csv", f",text,label\n{index}")
    assert texts(found) == TEXTS
    assert set(found.rows[0].fields) == {"text", "label"}
    trailing = "\n".join(row + ",," * (n % 2) for n, row in enumerate(lines()))
    assert texts(load(tmp_path, "b.csv", f"text,label,,\n{trailing}")) == TEXTS


def test_joined_files_repeat_the_names(tmp_path: Path) -> None:
    part = table(lines())
    found = load(tmp_path, "a.csv", part + "\ufeff" + part + part)
    assert len(found.rows) == 72
    assert told(found.notes) == [("header-again", 26)]
    assert found.notes[0].fields == {"count": 2, "lines": "26, 51"}


# --- words in place of values ---


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "<NA>", "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#####", " nan ", "NaT"]
)
@pytest.mark.parametrize("column", ["text", "label"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_what_only_programs_write_is_no_value(
    tmp_path: Path, word: str, column: str, suffix: str
) -> None:
    cells = {"text": "値のない行の本文", "label": "良い"} | {column: word}
    if suffix == "jsonl":
        import json

        good = '{"text": "あ", "label": "い"}'
        content = "\n".join([good, json.dumps(cells), good])
        line = 2
    else:
        mark = "," if suffix == "csv" else "\t"
        content = table([*lines(mark)[:5], mark.join(cells.values()), *lines(mark)[5:]], mark)
        line = 7
    found = load(tmp_path, f"a.{suffix}", content)
    assert told(found.problems) == [("missing-word", line)]
    assert found.problems[0].fields == {"field": column, "word": word.strip()}
    assert all(row.where.line != line for row in found.rows)


@pytest.mark.parametrize("word", ["None", "NULL", "null", "NA", "N/A", "-", "none", "?"])
def test_words_that_may_be_values_stay_and_are_told(tmp_path: Path, word: str) -> None:
    rows = [*lines()[:5], f"ある文,{word}", *lines()[5:], f"別の文,{word}"]
    found = load(tmp_path, "a.csv", table(rows))
    assert not found.problems
    assert len(found.rows) == 26
    (note,) = found.notes
    assert told([note]) == [("perhaps-missing", 7)]
    assert note.fields == {"field": "label", "word": word, "count": 2, "lines": "7, 27"}


def test_elsewhere_such_a_cell_is_just_empty(tmp_path: Path) -> None:
    rows = [f"{row},{('nan', '', 'u1')[n % 3]},#N/A" for n, row in enumerate(lines())]
    found = load(
        tmp_path, "a.csv", "text,label,user,memo\n" + "\n".join(rows), Fields(group="user")
    )
    assert not found.problems
    assert [row.group for row in found.rows[:3]] == [None, None, "u1"]
    assert {row.fields["memo"] for row in found.rows} == {""}


def test_words_that_are_values() -> None:
    for word in ("なし", "ナン", "nandemo", "該当なし", "#タグ", "###", "ナンシー", "0"):
        assert not is_missing(word)
        assert not may_be_missing(word)


# --- what a row may lack ---


def test_each_bad_row_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    rows = lines()
    rows[3] += ",余り"
    rows[6] = TEXTS[6]
    rows[9] = '"あ"い,良い'
    found = load(tmp_path, "a.csv", table(rows))
    assert told(found.problems) == [
        ("too-many-cells", 5), ("too-few-cells", 8), ("broken-csv", 11),
    ]  # fmt: skip
    assert len(found.rows) == 21
