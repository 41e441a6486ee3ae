from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kunren.data.documents import LENGTH, Passage, read_documents, split_markdown

PROFILE = """# 汐鳴灯具

2025年の案内です。

## 製品

| 製品名 | 価格 |
|---|---|
{rows}

## 窓口 ##

### 電話

```
# これは見出しではない
```

- 平日のみ
"""


def write(folder: Path, name: str, said: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said, encoding="utf-8")
    return path


def codes(named: str | list[str], folder: Path) -> list[str]:
    return [problem.code for problem in read_documents(named, folder).problems]


def test_a_passage_keeps_the_headings_that_it_stands_under() -> None:
    passages = split_markdown(PROFILE.format(rows="| 浦守 | 28,600円 |"), "案内.md")
    assert [(p.headings, p.body.split("\n")[0]) for p in passages] == [
        (("汐鳴灯具",), "2025年の案内です。"),
        (("汐鳴灯具", "製品"), "| 製品名 | 価格 |"),
        (("汐鳴灯具", "窓口", "電話"), "```"),
    ]
    assert "# これは見出しではない" in passages[2].body
    assert passages[1].text.startswith("汐鳴灯具 > 製品\n")


def test_every_part_of_a_long_table_keeps_its_head() -> None:
    rows = "\n".join(f"| 製品その{n}の長い名前 | {n},000円 |" for n in range(1, 60))
    parts = [p for p in split_markdown(PROFILE.format(rows=rows), "x") if p.headings[-1] == "製品"]
    assert len(parts) > 3
    assert all(p.body.startswith("| 製品名 | 価格 |\n|---|---|\n") for p in parts)
    assert all(len(p.body) <= LENGTH for p in parts)
    assert sum(p.body.count("製品その") for p in parts) == 59


def test_a_long_paragraph_is_cut_between_sentences(tmp_path: Path) -> None:
    sentences = [f"これは{n}番目の文で、少しだけ長めに書いてあります。" for n in range(30)]
    write(tmp_path, "a.txt", "".join(sentences))
    passages = read_documents("a.txt", tmp_path).passages
    assert len(passages) > 1
    assert all(p.body.endswith("。") and len(p.body) <= LENGTH for p in passages)
    assert "".join(p.body for p in passages) == "".join(sentences)


@given(st.text(alphabet="あいう。|-# \n`", max_size=900))
def test_no_character_is_lost_and_no_passage_is_endless(said: str) -> None:
    passages = split_markdown(said, "x")
    kept = "".join("".join((*p.headings, p.body)) for p in passages)
    for letter in "あいう":
        in_lines = sum(line.count(letter) for line in said.split("\n") if not line.startswith("#"))
        assert kept.count(letter) >= in_lines
    assert all(p.body.strip() for p in passages)


def test_a_folder_is_read_with_all_that_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, "docs/b.txt", "二つめ")
    write(tmp_path, "docs/a/c.md", "# 見出し\n\n一つめ")
    write(tmp_path, "docs/picture.png", "no text")
    lines = [{"title": "規定", "text": "返品は10日以内。"}, "送料は880円。"]
    write(tmp_path, "d.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    found = read_documents(["docs", "d.jsonl", "docs/b.txt"], tmp_path)
    assert not found.problems
    assert [p.name for p in found.files] == ["c.md", "b.txt", "d.jsonl"]
    assert found.passages == (
        Passage("c.md", ("見出し",), "一つめ"),
        Passage("b.txt", (), "二つめ"),
        Passage("d.jsonl", ("規定",), "返品は10日以内。"),
        Passage("d.jsonl", (), "送料は880円。"),
    )


def test_what_cannot_be_read_is_one_clear_problem(tmp_path: Path) -> None:
    write(tmp_path, "profile.md", "本文")
    assert codes("profil.md", tmp_path) == ["documents.no-such-file-near"]
    assert codes("none/at/all.md", tmp_path) == ["documents.no-such-file"]
    assert codes("missing", tmp_path) == ["documents.no-such-file"]
    write(tmp_path, "a.pdf", "%PDF")
    assert codes("a.pdf", tmp_path) == ["documents.unknown-format"]
    (tmp_path / "empty").mkdir()
    assert codes("empty", tmp_path) == ["documents.empty-folder"]
    write(tmp_path, "blank.txt", " \n\u3000\n")
    assert codes("blank.txt", tmp_path) == ["documents.empty"]
    write(tmp_path, "headings.md", "# 見出しだけ\n## もう一つ\n")
    assert codes("headings.md", tmp_path) == ["documents.empty"]
    (tmp_path / "sjis.txt").write_bytes("会社案内です。本社は萩市です。".encode("cp932"))
    assert codes("sjis.txt", tmp_path) == ["documents.not-utf-8"]
    write(tmp_path, "bad.jsonl", '{"title": "x"}\n{"text": "よい"}\n')
    found = read_documents("bad.jsonl", tmp_path)
    assert [(p.code, p.where.line if p.where else None) for p in found.problems] == [
        ("documents.no-text", 1)
    ]
    assert codes([], tmp_path) == ["documents.none"]
    assert all(str(p) for p in found.problems)
