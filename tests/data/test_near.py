"""What nearly the same is, that all of it is found, and that it cannot take for ever."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from tests.data.labelled import demo, label_of, row, rows_of

from kunren.config.schema import Fields, Split
from kunren.data import near as nearness
from kunren.data.near import NEAR, SHORT, form, near, near_groups, near_pairs
from kunren.data.overlap import overlap, warnings
from kunren.data.read import Files, read
from kunren.data.split import folds, split, split_files
from kunren.data.together import LARGEST, bundles
from kunren.messages import use_language
from kunren.types import Message, Row

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
TWEET = "昨日の帰りに駅前の本屋で偶然むかしの先生に会って、立ち話が一時間も続いた"


def texts(*said: str) -> list[Row]:
    return rows_of([(text, "a") for text in said])


def are_near(one: str, other: str) -> bool:
    return bool(near_pairs(texts(one), [row(9, other, "b")]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TWEET, TWEET + "😂"),
        (TWEET, TWEET.replace("、", "") + "！！"),
        (TWEET, TWEET + "よー"),
        (TWEET, f"RT @sensei_123: {TWEET} https://example.com/x"),
        (TWEET, TWEET.replace("むかし", "昔")),
        (TWEET, TWEET.replace("続いた", "続きました")),
        (TWEET, TWEET.replace("駅前の", "駅前に")),
        ("今日は良い天気", "今日は良い天気ね✨"),
        ("ねむい", "ねむいーーー！！"),
        ("やばいwww", "やばい"),
        (
            "ご予約番号1234の宿泊日を来月3日に変更していただけますか",
            "ご予約番号98の宿泊日を来月11日に変更していただけますか",
        ),
    ],
)
def test_what_people_change_when_they_repeat_something(one: str, other: str) -> None:
    assert are_near(one, other)
    assert are_near(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("今日は良い天気", "今日は悪い天気"),
        ("今日はとても良い天気です", "今日はとても悪い天気です"),
        ("ビール飲みたい", "ビル飲みたい"),
        ("3+4は", "34は"),
        ("1.5倍", "15倍"),
        ("12時に起きた", "7時に起きた"),
        ("😀", "😢"),
        ("😀😀", "ねむい"),
        (TWEET, "昨日の帰りに駅前の花屋で久しぶりに妹に会って、そのまま夕飯を食べた"),
    ],
)
def test_what_is_another_statement(one: str, other: str) -> None:
    assert not are_near(one, other)


def test_the_system_prompt_and_the_answer_are_no_part_of_a_question() -> None:
    one, other = texts(TWEET, "先生に聞いた話が面白くて、帰りの電車を二駅も乗り過ごした")
    system = Message("system", "あなたは親切な案内係です。" * 20)
    longer = [replace(r, messages=(system, *r.messages)) for r in (one, other)]
    assert not near_pairs(longer[:1], longer[1:])
    assert len(near_pairs([one], longer)) == 1


def test_an_instruction_that_every_row_repeats_makes_none_alike() -> None:
    told = "次の文章を読んで、書いた人の気持ちに最も近い分類を、選択肢から一つだけ答えてください。"
    rows = texts(*(f"{told * 4}\n{asked(r)}。以上です。" for r in shipped()[:200]))
    assert not near(rows).links
    assert not near_groups(rows)


def asked(one: Row) -> str:
    return next(m.content for m in one.messages if m.role == "user")


def shipped() -> list[Row]:
    """The tweets of the shipped example."""
    return list(read(EXAMPLES / "emotion_tweets.jsonl", Fields()).rows)


def test_no_shipped_row_is_near_another() -> None:
    rows = shipped()
    assert len(rows) == 250
    assert not near_groups(rows)
    assert max(len(b.rows) for b in bundles(rows, near(rows))) == 1


ENDINGS = ("😂", "！", "笑", "よ", "…", "www", "✨✨", " #日記", "〜", "ね。")


def repeated(rows: Sequence[Row], chance: random.Random) -> list[Row]:
    """Each row as someone else might post it again."""
    found = []
    for number, one in enumerate(rows):
        text = asked(one) + chance.choice(ENDINGS)
        if number % 3 == 0:
            text = f"RT @user{number}: {text}"
        if number % 5 == 0:
            text = text.replace("。", "", 1).replace("、", "", 1)
        found.append(row(1000 + number, text, "b"))
    return found


def test_shipped_rows_are_known_again() -> None:
    rows = shipped()
    pairs = near_pairs(rows, repeated(rows, random.Random(1)))
    right = [p for p in pairs if rows[int(p.second.id[1:]) - 1000] == p.first]
    assert len(right) == len(pairs)
    assert len(pairs) >= 0.95 * len(rows)


def test_blocks_and_the_order_of_numbers_make_no_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = shipped()
    rows += repeated(rows, random.Random(3))
    whole = near(rows)
    assert len(whole.links) > 10
    nearness._near.cache_clear()
    monkeypatch.setattr(nearness, "_BLOCK", 100)
    monkeypatch.setattr(nearness, "_BITS", 0)  # sorts column by column
    assert near(rows) == whole
    assert nearness._near.cache_info().misses == 1


def test_the_same_rows_in_another_order_are_not_searched_again() -> None:
    rows = shipped()
    nearness._near.cache_clear()
    found, turned = near(rows), near(rows[::-1])
    assert nearness._near.cache_info().misses == 1
    assert turned.forms == found.forms[::-1]
    assert turned.links == found.links


ALPHABET = "あいうえおかきくけこ"
EDITED = st.lists(
    st.tuples(
        st.text(ALPHABET, min_size=18, max_size=60),
        st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["", "あ", "こけ"])), max_size=6),
    ),
    min_size=1,
    max_size=8,
)


@given(EDITED)
def test_every_pair_is_found(found: list[tuple[str, list[tuple[int, str]]]]) -> None:
    said = []
    for text, edits in found:
        changed = text
        for at, new in edits:
            changed = changed[:at] + new + changed[at + 1 :]
        said += [text, changed or "あ"]
    rows = texts(*said)
    forms = sorted({form(r) for r in rows})
    expected = {
        (one, other)
        for one in range(len(forms))
        for other in range(one + 1, len(forms))
        if min(len(forms[one]), len(forms[other])) >= SHORT
        and Levenshtein.normalized_similarity(forms[one], forms[other]) >= NEAR
    }
    assert {(one, other) for one, other, _ in near(rows).links} == expected


def test_one_edit_in_ten_is_near_and_more_is_not() -> None:
    text = "春の朝に川辺を歩くと水の音が遠く近く"
    text = (text + "聞こえてきた")[:20]
    assert len(text) == SHORT
    assert are_near(text, "秋" + text[1:10] + "夜" + text[11:])
    assert not are_near(text, "秋" + text[1:10] + "夜" + text[11:15] + "雨" + text[16:])


def test_long_texts_are_compared_by_their_ends() -> None:
    chance = random.Random(2)
    long = "".join(chance.choice("春夏秋冬山川空海花鳥風月雨雪") for _ in range(3000))
    assert are_near(long, long[:1500] + "間" + long[1500:])
    assert are_near(long, "題" + long)
    assert not are_near(long, long[::-1])


# --- many rows alike ---


def alike(count: int) -> list[Row]:
    chance = random.Random(3)
    found = []
    for _ in range(count):
        at = chance.randrange(len(TWEET))
        found.append(TWEET[:at] + chance.choice("春夏秋冬山川空海") + TWEET[at + 1 :])
    return texts(*found)


def test_many_equal_rows_cost_little_and_do_not_become_one() -> None:
    rows = alike(3000)
    found = near(rows)
    assert len(found.links) < 100 * len(set(found.forms))
    assert len(near_groups(rows)) == 1
    made = bundles(rows, found)
    assert max(len(b.rows) for b in made) <= LARGEST * len(rows)
    sides = split(rows, label_of, Split())
    assert abs(len(sides.test) - 300) <= LARGEST * len(rows) / 2
    assert len(sides.overlaps["test"].near) > 200


def test_a_chain_does_not_grow_for_ever() -> None:
    # Each sentence has one character in twelve changed from the one before: the ends differ.
    chance = random.Random(4)
    said = [TWEET]
    for _ in range(299):
        at = chance.randrange(len(TWEET))
        said.append(said[-1][:at] + chance.choice("春夏秋冬山川空海花鳥") + said[-1][at + 1 :])
    rows = texts(*said)
    assert max(map(len, near_groups(rows))) > 150
    assert max(len(b.rows) for b in bundles(rows, near(rows))) <= LARGEST * len(rows)


def test_few_rows_that_are_all_alike_are_split_still() -> None:
    rows = alike(8)
    found = split(rows, label_of, Split())
    assert found.train
    assert found.validation
    assert found.test
    assert len(found.overlaps["test"].near) == len(found.test)
    assert len(folds(rows, label_of, 4, Split())) == 4


# --- splits ---


def with_repeats() -> list[Row]:
    rows = shipped()
    return [*rows, *repeated(rows[:100], random.Random(5))]


WITH_REPEATS = with_repeats()


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_are_on_one_side(seed: int) -> None:
    rows = WITH_REPEATS
    found = split(rows, label_of, Split(seed=seed))
    assert {side: len(one.near) for side, one in found.overlaps.items()} == {
        "validation": 0,
        "test": 0,
    }
    assert not near_pairs(found.train, [*found.validation, *found.test])


def test_folds_keep_them_on_one_side_too() -> None:
    for fold in folds(WITH_REPEATS, label_of, 5, Split()):
        assert not near_pairs(fold.train, [*fold.validation, *fold.test])
        assert not fold.overlaps["test"].near


def test_neither_order_nor_ids_matter() -> None:
    shuffled = list(WITH_REPEATS)
    random.Random(6).shuffle(shuffled)
    first, second = (split(rows, label_of, Split()) for rows in (WITH_REPEATS, shuffled))
    assert first.fingerprint == second.fingerprint


def test_named_files_with_near_duplicates_are_told() -> None:
    rows = shipped()
    test = [*rows[200:], *repeated(rows[:7], random.Random(7))]
    files = Files(tuple(rows[:200]), None, tuple(test), ())
    found = split_files(files, label_of, Split())
    assert not found.overlaps["validation"].near
    trained = {r.id for r in found.train}
    expected = {f"r{1000 + n}" for n in range(7) if rows[n].id in trained}
    assert {pair.second.id for pair in found.overlaps["test"].near} == expected
    said = found.overlaps["test"].as_json()
    assert said["near_duplicates"] == len(expected)
    assert said["rows"] == 57
    assert set(said["examples"][0]) == {"row", "train", "similarity"}
    (warning,) = warnings(found.overlaps)
    assert f"57 件のうち {len(expected)} 件" in str(warning)
    assert "テスト用の" in str(warning)
    use_language("en")
    try:
        (warning,) = warnings(found.overlaps)
        assert f"{len(expected)} of the 57 test rows" in str(warning)
    finally:
        use_language("ja")


def test_groups_on_two_sides_are_told() -> None:
    train = [replace(r, group=f"u{n % 5}") for n, r in enumerate(demo()[:20])]
    test = [replace(r, group=f"u{n + 3}") for n, r in enumerate(demo()[20:25])]
    found = near([*train, *test])
    places = {r.id: n for n, r in enumerate([*train, *test])}
    shared = overlap(found, places, train, test)
    assert shared.groups == ("u3", "u4")
    (warning,) = warnings({"test": shared})
    assert "2 個のグループ" in str(warning)
    assert "u3、u4" in str(warning)
    assert not warnings({"test": overlap(found, places, train, [])})
