"""Short fictional posts whose topic can be learnt from their words, and files of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

Row = dict[str, Any]

TOPICS: Mapping[str, tuple[str, ...]] = {
    "料理": (
        "みそしる", "たまごやき", "カレー", "にくじゃが",
        "うどん", "おにぎり", "からあげ", "やきそば",
        "コロッケ", "おべんとう", "ホットケーキ", "つけもの",
        "ぎょうざ", "サラダ", "てんぷら", "おでん",
    ),
    "天気": (
        "ゆうだち", "かみなり", "にわかあめ", "つよいかぜ",
        "あさぎり", "はれま", "おおゆき", "みぞれ",
        "たいふう", "つゆあけ", "いりひ", "はなぐもり", "こがらし", "ひょう", "あおぞら", "しも",
    ),
    "運動": (
        "マラソン", "なわとび", "すいえい", "テニス", "バスケ", "てつぼう", "ピンポン", "サッカー",
        "けんどう", "たいそう", "ボルダリング", "じゅうどう",
        "キャッチボール", "ヨガ", "リレー", "ダンス",
    ),
    "乗り物": (
        "でんしゃ", "バス", "ひこうき", "じてんしゃ",
        "しんかんせん", "フェリー", "タクシー", "トラック",
        "モノレール", "ろめんでんしゃ", "ロープウェイ",
        "きかんしゃ", "スクーター", "ヨット", "ちかてつ",
        "きゅうきゅうしゃ",
    ),
}  # fmt: skip
"""Topic → words that tell it; each is one token of ``models``' tokenizer."""

EMOJI: Mapping[str, str] = {"料理": "🍳", "天気": "☔", "運動": "🏃", "乗り物": "🚃"}
"""Topic → emoji."""

_WHEN = (
    "あさから", "きのうは", "ひさしぶりに",
    "いえのちかくで", "やすみのひに", "ともだちと", "いもうとが",
    "しごとのあと", "ゆうがたに", "はじめて",
    "おじさんと", "となりのまちで", "テレビで", "えきのまえで",
    "がっこうのかえりに", "おそいじかんに", "らいしゅうは", "ふたりで", "ちちが", "せんせいと",
)  # fmt: skip
_FELT = (
    "たのしかった", "つかれてしまった", "びっくりした", "わすれられない", "はなしがはずんだ",
    "しゃしんをとった",
    "もういちどとおもう", "ねむくなった", "わらってしまった", "しずかにみていた",
    "なつかしくなった",
    "うまくいかなかった", "すこしこまった", "ほめられた", "きげんがよくなった", "おぼえておきたい",
    "まだきになっている", "いそいでかえった", "にっきにかいた", "おどろくほどみじかかった",
)  # fmt: skip
_LINK = (
    "のことで",
    "をみて",
    "のはなしから",
    "があって",
    "のあいだに",
    "をおもいだして",
    "のおかげで",
)


def words() -> list[str]:
    """All words that tell a topic."""
    return [word for told in TOPICS.values() for word in told]


def posts(
    counts: Mapping[str, int], seed: int = 0, *, noise: float = 0.06, short: bool = False
) -> list[Row]:
    """Different posts, in a random order.

    Args:
        counts: topic → how many.
        seed: of the choice of words and of the order.
        noise: share of rows whose label is another topic's: people disagree.
        short: only two words and what links them.
    """
    chance = random.Random(seed)
    made, topics = [], list(counts)
    for topic, count in counts.items():
        pairs = list(product(_WHEN, _FELT))
        chance.shuffle(pairs)
        for n in range(count):
            when, felt = pairs[n % len(pairs)]
            one, two = chance.sample(TOPICS[topic], 2)
            said = f"{one}{chance.choice(_LINK)}{two}"
            said = said if short else f"{when}{said}、{felt}"
            others = [name for name in topics if name != topic]
            told = chance.choice(others) if others and chance.random() < noise else topic
            made.append({"text": said, "label": told})
    chance.shuffle(made)
    return made


def even(count: int, seed: int = 0, **options: Any) -> list[Row]:
    """About ``count`` posts in all, of every topic nearly as many."""
    share = count // len(TOPICS)
    counts = {topic: share + 5 * (n - 1) for n, topic in enumerate(TOPICS)}
    return posts(counts, seed, **options)


def with_emoji(rows: Sequence[Row], emoji: Mapping[str, str] = EMOJI) -> list[Row]:
    """The same posts, labelled with the topic's emoji."""
    return [row | {"label": emoji[row["label"]]} for row in rows]


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path
