"""The register of a Japanese sentence, from its morphemes: 丁寧語, 尊敬語, 謙譲語.

The categories are those of 敬語の指針 (文化審議会 2007, chapter 2): polite is 丁寧語, honorific is
尊敬語, humble is 謙譲語Ⅰ and 謙譲語Ⅱ (丁重語); 美化語 (お茶, お料理する) is none of them. Only
predicates count, not nouns (お名前, ご住所, 弊社): whether a noun honours or merely adorns depends
on whose it is, which the words do not say. ください after て, a plain request, is polite but not
honorific.

What each rule misses and mistakes is measured on hand-annotated sentences in
``docs/guide/register.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kunren.evaluation import keigo
from kunren.evaluation.sentences import without_quotations, without_remark
from kunren.evaluation.words import Word, words

_POLITE = ("助動詞-デス", "助動詞-マス")


@dataclass(frozen=True, slots=True)
class Register:
    """Which kinds of 敬語 a sentence has.

    Attributes:
        polite: its predicate is in the polite style (です・ます体).
        honorific: 尊敬語 stands anywhere in it, but for quotations.
        humble: 謙譲語 stands anywhere in it, but for quotations.
    """

    polite: bool
    honorific: bool
    humble: bool


def register(sentence: str) -> Register:
    """The register of one sentence, see ``sentences.sentences``."""
    told = without_quotations(sentence)
    found = words(told)
    places = range(len(found))
    return Register(
        polite=_is_polite(words(without_remark(told))),
        honorific=any(_is_honorific(found, n) for n in places),
        humble=any(_is_humble(found, n) for n in places),
    )


def is_reply(sentence: str) -> bool:
    """Whether a sentence is はい, いいえ or the like and nothing else."""
    return all(
        word.lemma in keigo.REPLIES or word.pos[0] in ("補助記号", "記号")
        for word in words(sentence)
    )


def _is_polite(found: Sequence[Word]) -> bool:
    """Whether the last predicate is です, ます or ございます, or a request that goes with them.

    です and ます in the middle count for nothing: 高いですから買わない。 is plain. What may follow
    them is passed over: particles that end a sentence or leave it open (ですね, ますので), た and
    ん, and a part put last (いいですね、これ。).
    """
    for n in reversed(range(len(found))):
        if _marks_polite(found[n]):
            return True
        if not _may_follow(found[n]):
            return _is_inverted(found[: n + 1])
    return False


def _marks_polite(word: Word) -> bool:
    if word.kind in _POLITE:
        return not word.surface.startswith("っす")  # すごいっす: casual, though short for です
    return word.lemma == "下さる" and word.form == "命令形"


def _may_follow(word: Word) -> bool:
    if word.pos[0] in ("補助記号", "記号", "空白", "感動詞") or word.surface.strip("wｗ笑草") == "":
        return True
    if word.pos[0] == "助動詞":
        return word.lemma in ("た", "ず", "う") or (word.lemma == "だ" and "連用形" in word.form)
    if word.pos[0] == "助詞":
        return word.pos[1] in ("終助詞", "接続助詞", "準体助詞") or word.surface in (
            "か", "って", "と", "も", "に", "など", "とか",
        )  # fmt: skip
    return word.pos == ("形状詞", "助動詞語幹") and word.lemma == "様"


def _is_inverted(found: Sequence[Word]) -> bool:
    """Whether the end holds no predicate, and a polite one that is complete stands before it."""
    for n in reversed(range(len(found))):
        word = found[n]
        final = word.pos[1:2] == ("終助詞",) or word.pos == ("補助記号", "読点")
        if final and n > 0 and _closes(found[:n]):
            return True
        if word.pos[0] in ("動詞", "形容詞", "助動詞"):
            return False
    return False


def _closes(found: Sequence[Word]) -> bool:
    """Whether these words end with a polite predicate in a form that can end a sentence."""
    for n in reversed(range(len(found))):
        if _marks_polite(found[n]):
            return found[n].form.startswith(("終止形", "意志推量形", "命令形", "連用形"))
        word = found[n]
        if word.pos[1:2] != ("終助詞",) and word.lemma not in ("た", "ず"):
            return False
    return False


def _is_honorific(found: Sequence[Word], n: int) -> bool:
    word = found[n]
    if word.lemma == "下さる" and (word.form == "命令形" or _follows(found, n, ("ます",))):
        return _is_request(found, n)
    if word.lemma in keigo.HONORIFIC:
        return not (word.lemma == "為さる" and word.form == "命令形")
    if word.lemma == "成す" and _follows(found, n, ("れる",)):
        return _prefixed(found, n) is not None  # なされる, which UniDic takes for 成される
    if word.lemma == "成る":
        stem = _prefixed(found, _before_particles(found, n))
        return stem is not None and _is_deed(stem) and stem.lemma not in keigo.NOT_DEEDS
    if word.lemma == "御覧" or (n > 0 and found[n - 1].lemma == "御"):
        return _is_state(found, n)
    return word.lemma in ("れる", "られる") and _honours(found, n)


def _is_request(found: Sequence[Word], n: int) -> bool:
    """Whether ください or くださいます honours: not in 〜てください, a plain request."""
    asks = found[n].form == "命令形" or found[n + 1].form == "命令形"
    return not asks or _prefixed(found, n) is not None


def _is_state(found: Sequence[Word], n: int) -> bool:
    """お/ご〜だ and お/ご〜の方: 尊敬語 in its nominal form, of the stem at ``n``."""
    if n + 1 >= len(found):
        return False
    stem, after = found[n], found[n + 1]
    if stem.lemma not in keigo.STATES:
        asked = after.lemma == "です" and _follows(found, n + 1, ("か",))
        other = stem.lemma in keigo.NOT_DEEDS or stem.lemma in keigo.ADORNED
        plain = stem.pos[2:] == ("一般",)  # お手洗いですか, お知り合いですか
        return asked and _is_deed(stem) and not (other or plain)
    if after.pos[0] in ("助動詞", "形容詞"):
        return after.lemma in ("だ", "です", "無い", "てる")  # UniDic takes お持ちでない for でる
    if after.surface != "の":
        return False
    rest = found[n + 2 : n + 4]
    named = any(word.lemma in keigo.PERSONS for word in rest)
    return named or any(word.lemma in ("際", "場合", "通り", "時", "様") for word in rest[:1])


def _honours(found: Sequence[Word], n: int) -> bool:
    """Whether the れる or られる at ``n`` honours, and is not passive, ability or spontaneity.

    The form does not tell. It is taken for 尊敬語 where a person of rank does it (部長が話された),
    where it describes one (希望される方) or where the hearer is asked (どうされましたか), unless
    somebody is named who does it to that person (部長は社長に呼ばれた) or the verb is one that is
    suffered; of られる, which may mean ability, only with a few verbs.
    """
    verb = found[n - 1] if n else None
    if verb is None or verb.pos[0] != "動詞":
        return False
    if verb.lemma in keigo.ALWAYS or _is_oru(verb):
        return True
    deed = found[n - 2] if verb.lemma == "為る" and n > 1 else verb
    if deed.lemma in keigo.SUFFERED:
        return False
    how = deed is not verb and found[n - 2].lemma in ("如何", "どう")
    if (how or verb.lemma in keigo.ASKED) and _asks(found, n):
        return True
    if found[n].lemma == "られる" and verb.lemma not in keigo.EITHER:
        return False
    return _describes_person(found, n) or _done_by_person(found, n - 1)


def _asks(found: Sequence[Word], n: int) -> bool:
    """Whether ます and か follow: どうされましたか asks about the hearer's deed."""
    return _follows(found, n, ("ます",)) and any(word.surface == "か" for word in found[n + 2 :])


def _describes_person(found: Sequence[Word], n: int) -> bool:
    after = list(found[n + 1 : n + 5])
    while after and (after[0].lemma in ("た", "て", "居る", "てる", "御")):
        after.pop(0)
    if not after or after[0].lemma not in keigo.PERSONS:
        return False
    compared = [word.lemma for word in found[n + 1 :]][:6]
    return not ("方" in compared and "良い" in compared)  # 言われた方がいい


def _done_by_person(found: Sequence[Word], end: int) -> bool:
    """Whether a person of rank is the subject of the clause before ``end``."""
    for n in reversed(range(1, end)):
        particle, noun = found[n], found[n - 1]
        if particle.pos == ("補助記号", "読点") or particle.pos[0] != "助詞":
            continue
        ranked = noun.lemma in keigo.TITLES or noun.surface in keigo.TITLES
        person = ranked or noun.pos[1:3] == ("固有名詞", "人名") or noun.pos[0] == "代名詞"
        if person and particle.surface in ("に", "から"):
            return False
        if particle.surface in ("が", "は", "も"):
            return ranked
    return False


def _is_humble(found: Sequence[Word], n: int) -> bool:
    word, before = found[n], found[n - 1] if n else None
    if word.lemma in keigo.HUMBLE and word.pos[0] == "動詞":
        if word.lemma == "頂く" and n == 0 and _says_grace(found):
            return False
        if word.lemma == "存ずる":
            return before is None or before.lemma != "御"  # ご存じ is 尊敬語
        return not (word.lemma == "致す" and before is not None and before.surface == "どう")
    if word.lemma == "参る" or _is_oru(word):
        after_te = before is not None and before.surface in ("て", "で") and word.lemma == "参る"
        return after_te or _follows(found, n, ("ます",))
    if before is None:
        return False
    if word.surface == "けして" and before.surface == "おか":
        return True  # ご迷惑をおかけして, of which UniDic makes をおか and けして
    if word.lemma in ("為る", "致す", "出来る") and before.lemma in keigo.HUMBLE_NOUNS:
        return True
    if word.lemma in ("為る", "出来る") and not _follows(found, n, ("れる",)):
        stem = _prefixed(found, n)
        return stem is not None and _is_deed(stem) and stem.lemma not in keigo.ADORNED
    phrase = (found[n - 2].lemma, word.lemma) if n > 1 and before.surface == "に" else None
    return phrase in keigo.HUMBLE_PHRASES and (
        found[n - 2].lemma == "御覧" or (n > 2 and found[n - 3].lemma == "御")
    )


def _says_grace(found: Sequence[Word]) -> bool:
    """Whether いただきます is all there is, as one says it before a meal."""
    return _follows(found, 0, ("ます",)) and all(_may_follow(word) for word in found[2:])


def _is_oru(word: Word) -> bool:
    """Whether it is おる, which has the same lemma as いる."""
    return word.lemma == "居る" and word.kind.startswith("五段")


def _follows(found: Sequence[Word], n: int, lemmas: Sequence[str]) -> bool:
    return n + 1 < len(found) and found[n + 1].lemma in lemmas


def _before_particles(found: Sequence[Word], n: int) -> int:
    """Where に stands before なる, also in にはなる and にもなる; -1 where it does not."""
    begin = n
    while begin > 0 and found[begin - 1].surface in ("は", "も"):
        begin -= 1
    return begin - 1 if begin > 0 and found[begin - 1].surface == "に" else -1


def _prefixed(found: Sequence[Word], n: int) -> Word | None:
    """The last word of an お/ご〜 that ends before ``n``; None where there is none."""
    if n < 1:
        return None
    if found[n - 1].lemma == "御覧":
        return found[n - 1]
    for begin in range(n - 2, max(n - 6, -1), -1):
        if found[begin].lemma == "御" and found[begin].pos[0] == "接頭辞":
            return found[n - 1]
        if not _may_be_within(found[begin]):
            return None
    return None


def _may_be_within(word: Word) -> bool:
    """Whether a word may stand between お/ご and the end of the stem: ご契約更新, お待たせ."""
    return word.pos[0] in ("動詞", "名詞") or word.pos == ("接頭辞",)


def _is_deed(word: Word) -> bool:
    """Whether it is the stem of a verb: 待ち, 利用, お待たせ; not a state such as 幸せ."""
    if word.pos[0] == "動詞":
        return word.form.startswith("連用形")
    if word.lemma in ("せる", "させる"):
        return True
    if word.pos[:1] != ("名詞",):
        return False
    if word.pos[2:] in (("サ変可能",), ("サ変形状詞可能",)) or word.lemma == "御覧":
        return True
    return word.surface[-1] in "いきぎしちにびみりえけげせてねべめれじ"
