"""Text files as users have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.nearest import nearest
from kunren.textfile import decode, excerpt, nearest_file, shown


@settings(deadline=None)
@given(st.text())
def test_utf8_is_utf8_whatever_it_says(text: str) -> None:
    # Zero bytes mean UTF-16, escape sequences ISO-2022-JP; both are no text in UTF-8.
    text = text.replace("\0", "").replace("\x1b", "").removeprefix("\ufeff")
    assert decode(text.encode()) == (text, None)
    assert decode(text.encode("utf-8-sig")) == (text, None)


@pytest.mark.parametrize("text", ["今日は晴れ。ｶﾅも", "東京都知事選挙のお知らせ", "テスト"])
@pytest.mark.parametrize(("encoding", "name"), [("cp932", "CP932"), ("euc_jp", "EUC-JP")])
def test_japanese_encodings_are_told_apart(text: str, encoding: str, name: str) -> None:
    assert decode(text.encode(encoding)) == (text, name)


def test_excerpt_is_one_safe_line() -> None:
    assert excerpt("a\nb\tc") == "a⏎b→c"
    assert excerpt("\x1b[31m\u202e\ud83d") == "\\u001b[31m\\u202e\\ud83d"
    assert excerpt("あ" * 31) == "あ" * 29 + "…"
    assert excerpt("👨‍👩‍👧") == "👨‍👩‍👧"


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.jsonl").touch()
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(Path("/x/y")) == "/x/y"
    assert nearest_file(tmp_path / "trian.json") == "train.jsonl"
    assert nearest_file(tmp_path / "qqqqqq") is None
    assert nearest_file(tmp_path / "none" / "train.jsonl") is None


@pytest.mark.parametrize(
    ("word", "meant"),
    [("epoch", "epochs"), ("Batch-Size", "batch_size"), ("ｅｐｏｃｈｓ", "epochs"), ("foo", None)],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, ["epochs", "batch_size", "seed"]) == meant
