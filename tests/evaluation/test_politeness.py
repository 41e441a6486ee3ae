"""Politeness on examples of our own, and the figures that the guide gives on those of another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kunren.evaluation.politeness import is_reply, register
from kunren.evaluation.statistics import exact_interval

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guide/register.md").read_text(encoding="utf-8")
ANNOTATED = Path(__file__).parent / "data/register.jsonl"

POLITE = [
    "送料は無料でした。", "土曜は営業しておりません。", "一緒に見に行きましょう！",
    "明日は晴れるでしょうか", "株式会社浦守でございます。", "高いですけど、",
    "受付は終わりましたので。", "いいですね、この色。", "すごいですねこれ。",
    "営業は10時からです（祝日を除く）。", "助かりました(笑)", "楽しみですｗｗ",
    "やっと終わりました #引退", "合格しますように。", "どういたしまして。",
    "次回は2週間後に来てください。", "行くんですってば。", "何時までやってますか？",
    "電話番号は03-1234-5678です", "お待ちくださいませ。",
]  # fmt: skip
PLAIN = [
    "高いですから買わない。", "「行きます」と言った。", "友を励ます。", "朝早く目を覚ます",
    "静かにしなさい。", "弊社が運営しております店舗の一覧。", "いいですか？って聞かれた。",
    "まじでうまいっす", "1943年。", "営業しておりますので、ご安心を。", "ますます寒くなった。",
    "合言葉は「ありがとうございます」。", "です・ます調で書く。", "明日からまた仕事だ(泣)",
    "増します。と書いたメモを捨てた", "ありがとう！",
]  # fmt: skip
HONORIFIC = [
    "先生がいらっしゃった。", "社長がおっしゃるとおりだ。", "どうぞ召し上がってください。",
    "資料をご覧になりましたか。", "会員の方もご利用になれます。", "もうお帰りにはなりません。",
    "ご契約更新になる場合は、", "こちらにお書きください。", "届けてくださった皆さま、",
    "お持ちでない方はこちら。", "ご存じないでしょうか。", "雨の中お越しの皆様へ",
    "何かお探しですか。", "会費はお支払い済みですが、領収書はお持ちですか。",
    "部長が話された内容をまとめた。", "参加を希望される方は窓口へ。", "おられますか。",
    "先月亡くなられたそうだ。", "今日はどうされましたか。", "ご来店なされたお客様",
    "ゆっくりお休みになる", "お気に召しましたか。",
]  # fmt: skip
NOT_HONORIFIC = [
    "お茶とお菓子を買った。", "お世話になりました。", "とても参考になりました。", "お得になる",
    "ご馳走になる。", "ボタンを押してください。", "これをくださいませ。", "早くしなさい！",
    "ごめんなさい。", "お名前とご住所が必要です。", "お手洗いですか。", "部長は社長に叱られた。",
    "お客様に選ばれた商品です。", "もう食べられます。", "よく知られています。",
    "そう言われた方がいい。", "「先生はいらっしゃいますか」と尋ねた。",
    "皆様にご案内いたします。", "お幸せに。",
]  # fmt: skip
HUMBLE = [
    "お届けいたします。", "明日伺います。", "山田と申します。",
    "社長はただいま席を外しております。", "資料を拝見した。", "確かに頂戴しました。",
    "ご案内できます。", "お待たせしました。", "お願いできますか。", "お目にかかれて光栄です。",
    "ご覧に入れましょう", "努力してまいりたい。", "すぐに参ります。",
    "ご迷惑をおかけして、すみません。", "ご覧いただけます。", "そのように存じます。",
    "お褒めにあずかり光栄だ。", "お断りしております。",
]  # fmt: skip
NOT_HUMBLE = [
    "いただきます。", "どういたしまして。", "お料理します。", "お邪魔しました。",
    "ご存じですか。", "参ったなあ。", "何をしておるのか。", "申し訳ございません。",
    "お申し付けください。", "お休みします。", "連絡をします。", "「伺います」と答えた。",
    "ご紹介された方。",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected", "said"),
    [
        (kind, expected, said)
        for kind, expected, of_kind in (
            ("polite", True, POLITE),
            ("polite", False, PLAIN),
            ("honorific", True, HONORIFIC),
            ("honorific", False, NOT_HONORIFIC),
            ("humble", True, HUMBLE),
            ("humble", False, NOT_HUMBLE),
        )
        for said in of_kind
    ],
)
def test_our_own_examples(kind: str, expected: bool, said: str) -> None:
    assert getattr(register(said), kind) is expected


def test_a_sentence_that_is_a_quotation_has_the_register_of_what_is_quoted() -> None:
    assert register("「明日伺います。」") == register("明日伺います。")
    assert register("店員は「明日伺います」と言った。") == register("店員は「」と言った。")


def test_a_bare_reply_has_no_predicate() -> None:
    assert is_reply("はい。")
    assert is_reply("いいえ！")
    assert not is_reply("はい、そうです。")
    assert not is_reply("ありがとう。")


@pytest.mark.parametrize(
    "said", ["", " ", "😊", "です", "ください", "れる", "お", "の", "お〜", "w"]
)
def test_fragments_do_no_harm(said: str) -> None:
    assert register(said).humble is False


SURFACE = {
    "polite": r"です|ます",
    "honorific": r"いらっしゃ|おっしゃ|なさ|くださ|召し上が|ご覧|になり|になる",
    "humble": r"いたし|いたす|申し|申す|参り|参る|おり|いただ|伺|存じ|拝見",
}
METHODS: dict[str, Callable[[str, str], bool]] = {
    "rules": lambda kind, said: getattr(register(said), kind),
    "surface": lambda kind, said: re.search(SURFACE[kind], said) is not None,
}
NAMED = {
    "丁寧語": "polite", "尊敬語": "honorific", "謙譲語": "humble", "規則": "rules",
    "文字の検索": "surface", "polite": "polite", "honorific": "honorific", "humble": "humble",
    "rules": "rules", "text search": "surface", "あり": True, "なし": False, "yes": True,
    "no": False,
}  # fmt: skip


def half(which: str) -> list[dict[str, Any]]:
    """The rows of a half: which one a row is in depends on nothing but its text."""
    rows = [json.loads(line) for line in ANNOTATED.read_text(encoding="utf-8").splitlines()]
    odd = which == "test"
    return [r for r in rows if hashlib.sha256(r["text"].encode()).digest()[0] % 2 == odd]


def rate(hits: int, of: int) -> str:
    low, high = exact_interval(hits, of)
    return f"{100 * hits / of:.1f} % ({hits}/{of}) [{100 * low:.1f}, {100 * high:.1f}]"


def measured(kind: str, method: str, which: str = "test") -> tuple[str, str]:
    """Precision and recall, as the guide writes them."""
    pairs = [(r[kind], METHODS[method](kind, r["text"])) for r in half(which)]
    both = sum(gold and said for gold, said in pairs)
    return (
        rate(both, sum(said for _, said in pairs)),
        rate(both, sum(gold for gold, _ in pairs)),
    )


def rows_of(*first: str) -> Iterator[list[str]]:
    """Rows of the guide's tables whose first two cells are among these."""
    for line in GUIDE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0] in first and cells[1] in NAMED:
            yield cells


KINDS = ("丁寧語", "尊敬語", "謙譲語", "polite", "honorific", "humble")


def test_the_guide_gives_the_figures_that_the_code_gives() -> None:
    found = list(rows_of(*KINDS))
    assert len(found) == 12
    for kind, method, *figures in found:
        assert tuple(figures) == measured(str(NAMED[kind]), str(NAMED[method])), (kind, method)


def test_the_guide_counts_the_rows() -> None:
    counts = [len(half(which)) for which in ("dev", "test")]
    assert f"{sum(counts)} 文" in GUIDE
    assert f"{sum(counts)} sentences" in GUIDE
    for said in ("開発用 {} 文", "検証用 {} 文", "{} for development", "{} for testing"):
        assert said.format(counts["開発" not in said and "development" not in said]) in GUIDE


def test_the_errors_that_the_guide_admits_are_still_made() -> None:
    found = re.findall(r"^\| `(.+?)` \| (\S+) \| (\S+) \| (\S+) \|", GUIDE, re.MULTILINE)
    assert len(found) >= 12
    for said, kind, right, given in found:
        assert NAMED[right] is not NAMED[given]
        assert getattr(register(said), str(NAMED[kind])) is NAMED[given], said


def test_no_surface_search_is_as_good() -> None:
    def right(method: Callable[[str], bool], kind: str) -> int:
        return sum(method(r["text"]) == r[kind] for r in half("test"))

    for kind in SURFACE:
        by = {name: right(partial(method, kind), kind) for name, method in METHODS.items()}
        assert by["rules"] > by["surface"], kind
