"""What the data tells: answers that stand in the text, and a teacher's talk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import regex

from kunren.data import audit
from kunren.data.emoji import is_emoji, split_emoji
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import ids, quoted, share
from kunren.messages import text
from kunren.types import Item

Items = Mapping[str, Sequence[Item]]

GIVEN_AWAY = 0.05
"""Share of items in whose text the gold emoji stands: as much as most settings gain."""

EMOJI_LEFT = 0.05
"""Share of items with any emoji in the text."""

BEYOND_CHANCE = 3.0
"""Standard errors above what any text's emoji and any other item's gold have in common."""

TALK = 0.01
"""Share of items with a teacher's talk, from which on a model will be heard to say it."""

POLITE = 0.02
"""Share of free answers that refuse or use Markdown, below which that is what they mean to do: a
shop has to refuse now and then."""

_EMOJI = regex.compile(r"[\p{Extended_Pictographic}\U0001f1e6-\U0001f1ff\u20e3]")

_TALK = {
    "ai": regex.compile(
        r"(?:AI|人工知能|言語モデル)(?:アシスタント|言語モデル)?(?:として|なので|ですので|であるため)"
        r"|[Aa]s an AI\b|私は(?:AI|人工知能|言語モデル)"
    ),
    "preface": regex.compile(
        r"\A\s*(?:以下(?:は|に|が|の)[^\n]{0,30}(?:です|ます|ました|とおり|通り)|"
        r"(?:はい、?|もちろん(?:です)?[、。!！]?)?(?:承知|かしこまり|了解)(?:いた)?しました|"
        r"(?:出力|回答|答え|ラベル|絵文字|分類)(?:は|例)?\s*[:：]|"
        r"(?:[Hh]ere (?:is|are)|[Ss]ure[,!.]|[Cc]ertainly[,!.]|[Oo]f course[,!.]))"
    ),
    "fence": regex.compile(r"```|^#{1,4} |\*\*[^*\n]+\*\*", regex.MULTILINE),
    "refusal": regex.compile(
        r"(?:申し訳(?:ありません|ございません)|恐れ入りますが|すみませんが)[^\n]{0,60}"
        r"(?:できません|できかねます|いたしかねます|お答えでき|お手伝いでき)"
        r"|I(?:'m| am) sorry,? but|I can(?:not|'t) (?:help|assist|provide)"
    ),
}
"""What teacher models say beside the answer. A refusal is one of its own accord; the others are
tried first."""


def emoji_in_text(
    items: Items,
    labels: Sequence[str],
    answers: str,
    *,
    given: float = GIVEN_AWAY,
    left: float = EMOJI_LEFT,
    beyond: float = BEYOND_CHANCE,
) -> Finding | None:
    """The emoji to be predicted stands in the text.

    答えるはずの絵文字が、文の中に残っています。

    何を見るか:
        ラベルが絵文字の課題で、文に絵文字がある割合と、そこに正解の絵文字がある割合。
        ほかの行の正解と比べたときの一致 (偶然の分) を差し引いて考えます。

    なぜ問題か:
        モデルは文の意味を読まず、絵文字を写すことを覚えます。テストの値は高く出ますが、
        絵文字のない文では当たりません。

    例:
        「合格した🎉」→ 🎉。投稿から絵文字をラベルに取り、文からは消し忘れたデータです。

    対処:
        文から絵文字を除いてください。使うときの文にも絵文字があるなら、絵文字のない
        テストも用意してください。

    What it sees:
        Where labels are emoji: how many texts have emoji, and how many have the gold one, beyond
        what they have in common with any other row's gold.

    Why it matters:
        The model learns to copy the emoji and not to read the text. It scores well, and fails on
        texts without emoji.

    For example:
        "合格した🎉" → 🎉: the labels were taken from posts and left in their texts.

    What to do:
        Remove emoji from the texts. If texts in use have them too, test on texts without as well.
    """
    if answers == "text":
        raise Missing("labels")
    if not labels or not all(map(is_emoji, labels)):
        return None
    everything = audit.all_items(items)
    found = [
        (item, emoji)
        for item, said in zip(everything, audit.inputs(everything), strict=True)
        if (emoji := _emoji(said))
    ]
    if not found:
        return None
    having = Counter(label for item in everything for label in set(item.labels))
    total = len(everything)
    hits = [item for item, emoji in found if emoji.intersection(item.labels)]
    expected = sum(min(1.0, sum(having[e] for e in emoji) / total) for _, emoji in found)
    part, with_emoji = len(hits) / total, len(found) / total
    surely = len(hits) - expected > beyond * math.sqrt(max(1.0, expected))
    gives_away = part >= given and surely
    if not gives_away and with_emoji < left:
        return None
    said = text(
        f"rules_data.emoji-in-text-{'gold' if gives_away else 'other'}",
        total=total,
        with_emoji=len(found),
        share=share(with_emoji),
        hits=len(hits),
        part=share(part),
        copied=share(len(hits) / len(found)),
        chance=share(expected / len(found)),
        texts=quoted(item.text for item in (hits or [item for item, _ in found])),
    )
    evidence = {
        "items": total, "with_emoji": len(found), "with_gold": len(hits), "by_chance": expected,
    }  # fmt: skip
    return Finding("warning" if gives_away else "info", said, evidence)


def _emoji(said: str) -> set[str]:
    if said.isascii() or _EMOJI.search(said) is None:
        return set()
    return {piece for piece in split_emoji(said) if is_emoji(piece)}


def teacher_talk(
    items: Items, answers: str, *, many: float = TALK, polite: float = POLITE
) -> Finding | None:
    """Answers or texts have a teacher model's talk in them.

    教師モデルの前置きや断りが、データに残っています。

    何を見るか:
        答えと文にある、AI としての名乗り (「AI として」)、前置き (「以下は…です」
        「Here is」)、Markdown の記号 (コードブロック、見出し、太字)、断り
        (「申し訳ありませんが…できません」)。前置きと断りは、文では文頭だけを見ます。

    なぜ問題か:
        モデルはそれも書くようになります。ラベルなら 1 回しか使われない種類が増え、
        文章なら断らなくてよい質問まで断ります。

    例:
        絵文字を聞いた教師が「以下は適切な絵文字です: 🎻」「申し訳ありませんが、
        判断できません」と答え、そのまま行になった。

    対処:
        その行を除くか、答えだけに直してください。断るのが正しい質問 (窓口の QA など)
        なら、そのままで構いません: `doctor.ignore` に理由を書けます。自由な文の答えでは、
        断りと Markdown は 2 % 以上あるときだけ知らせます。

    What it sees:
        In answers and texts: speaking as an AI, prefaces ("以下は…です", "Here is"), Markdown
        (code fences, headings, bold) and refusals ("申し訳ありませんが…できません").

    Why it matters:
        The model learns to say it too. As labels they are kinds of their own; in free text the
        model refuses what it need not.

    For example:
        Asked for an emoji, the teacher said "以下は適切な絵文字です: 🎻" or that it could not
        judge, and that became a row.

    What to do:
        Remove these rows or cut them to the answer. Where a refusal is the right answer, leave it,
        and say so in `doctor.ignore`. In free answers refusals and Markdown are told from 2 % on.
    """
    everything = audit.all_items(items)
    found: dict[str, list[Item]] = {}
    # Whoever asks a model for free text may well show it a code block.
    texts = [""] * len(everything) if answers == "text" else audit.inputs(everything)
    for item, asked in zip(everything, texts, strict=True):
        kind = _kind(item.answer, answer=True) or _kind(asked, answer=False)
        if kind is not None:
            found.setdefault(kind, []).append(item)
    meant = ("refusal", "fence") if answers == "text" else ()
    found = {k: v for k, v in found.items() if k not in meant or len(v) >= polite * len(everything)}
    if not found:
        return None
    count = sum(map(len, found.values()))
    unwanted = sum(len(some) for kind, some in found.items() if kind not in meant)
    parts = [
        text(
            f"rules_data.teacher-talk-{kind}",
            count=len(some),
            texts=quoted((_place(kind, item) for item in some), 40),
        )
        for kind, some in found.items()
    ]
    said = text(
        f"rules_data.teacher-talk{'-text' if answers == 'text' else ''}",
        count=count,
        total=len(everything),
        found=text("rules_data.between").join(parts),
        ids=ids(item for some in found.values() for item in some),
    )
    evidence = {"items": len(everything)} | {kind: len(some) for kind, some in found.items()}
    severe = unwanted >= max(1.0, many * len(everything))
    return Finding("warning" if severe else "info", said, evidence)


def _kind(said: str, *, answer: bool) -> str | None:
    """What kind of talk it is; None: none. Short labels are none."""
    if len(said) < 4:
        return None
    for kind, pattern in _TALK.items():
        if not answer and kind in ("ai", "refusal"):
            # People write of AI and of shops that refuse: of a text only its form tells.
            continue
        if pattern.search(said):
            return kind
    return None


def _place(kind: str, item: Item) -> str:
    """The talk and what stands around it."""
    for said in (item.answer, item.text):
        if (found := _TALK[kind].search(said)) is not None:
            return said[max(0, found.start() - 5) : found.end() + 20].strip()
    return item.answer
