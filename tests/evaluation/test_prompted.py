from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.models.tiny_families import make_bert, make_gemma, make_t5, opened

from kunren.config.schema import EvaluateConfig
from kunren.data.documents import Passage
from kunren.evaluation import prompted
from kunren.evaluation.few_shot import examples_for, with_examples
from kunren.evaluation.retrieval import hits, search, with_passages
from kunren.models import Family, make_family
from kunren.types import Item, Message, Row, Where

SYSTEM = Message("system", "感情を答えてください")


def row(number: int, *turns: str, system: Message | None = SYSTEM) -> Row:
    said = [Message("user" if n % 2 == 0 else "assistant", turn) for n, turn in enumerate(turns)]
    opening = () if system is None else (system,)
    return Row(f"r{number}", (*opening, *said), Where("x", number))


def item(number: int, *turns: str, answer: str = "😀", system: Message | None = SYSTEM) -> Item:
    asked = row(number, *turns, system=system)
    return Item(f"i{number}", f"q{number}", asked.messages, answer, (answer,))


ROWS = [
    row(1, "雨がふって寒い", "😢"),
    row(2, "晴れてうれしい", "😀"),
    row(3, "電車が遅れて怒った", "😡", "まだ来ない", "😢"),
]
PASSAGES = [
    Passage("a.md", ("会社", "窓口"), "電話は平日の9時30分から受け付けます。"),
    Passage("a.md", ("会社", "製品"), "浦守の価格は28,600円、納期は3週間です。"),
    Passage("a.md", ("会社", "沿革"), "1953年に株式会社となりました。"),
]


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return make_family("causal", opened(make_gemma, tmp_path_factory.mktemp("gemma"))[1])


def source(limit: int = 512, rows: Sequence[Row] = ROWS, writes: bool = False) -> prompted.Source:
    return prompted.Source(rows, PASSAGES, limit, writes)


def config(**changes: object) -> EvaluateConfig:
    return EvaluateConfig.model_validate({"max_new_tokens": 8, "batch_size": 4} | changes)


def test_examples_stand_as_earlier_turns_after_the_items_own_system_prompt() -> None:
    asked = item(1, "電車がまた遅れた", "😡", "寒い")
    (found,) = examples_for([asked], ROWS, 3)
    assert [r.id for r in found] == ["r1", "r2", "r3"]  # compared by the last turn: 寒い
    assert with_examples(asked, found) == (
        SYSTEM,
        *ROWS[2].messages[1:], *ROWS[1].messages[1:], *ROWS[0].messages[1:],
        *asked.context[1:],
    )  # fmt: skip
    assert with_examples(asked, []) == asked.context


def test_an_item_without_a_system_prompt_takes_none_from_the_examples() -> None:
    asked = item(1, "晴れた", system=None)
    (found,) = examples_for([asked], ROWS, 1)
    assert with_examples(asked, found) == (*ROWS[1].messages[1:], *asked.context)


def test_what_is_asked_is_what_the_model_reads(gemma: Family) -> None:
    asked = [item(1, "雨"), item(2, "晴れ")]
    made = prompted.prompted("few_shot", gemma, source(), asked, config(few_shot=2))
    first = str(gemma.loaded.tokenizer.decode(gemma.prompts(made.items)[0]))
    assert first.index("感情を答えて") < first.index("😀") < first.index("😢")
    assert first.rstrip().endswith("model")
    assert [i.id for i in made.items] == ["i1", "i2"]
    assert [i.answer for i in made.items] == [i.answer for i in asked]
    assert made.facts == {"asked": 2, "used": {"2": 2}}


def test_examples_that_do_not_fit_beside_the_answer_are_left_out(gemma: Family) -> None:
    asked = [item(1, "雨"), item(2, "あ" * 120)]
    whole = prompted.prompted("few_shot", gemma, source(10_000), asked, config(few_shot=3))
    longest = max(map(len, gemma.prompts(whole.items)))
    tight = prompted.prompted("few_shot", gemma, source(longest + 7), asked, config(few_shot=3))
    assert tight.facts["used"] == {"2": 1, "3": 1}
    assert max(map(len, gemma.prompts(tight.items))) + 8 <= longest + 7
    none = prompted.prompted("few_shot", gemma, source(20), asked, config(few_shot=3))
    assert none.items == []
    assert none.facts == {"asked": 3, "used": {"0": 2}}


def test_a_chat_template_of_a_single_turn_leaves_the_system_out(
    gemma: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = (
        "{% if messages | length > 3 %}{{ raise_exception('one turn only') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    )
    monkeypatch.setattr(gemma.loaded.tokenizer, "chat_template", single)
    made = prompted.prompted("few_shot", gemma, source(), [item(1, "雨")], config())
    assert made.items == []
    assert made.facts == {"reason": "template"}


def test_long_prompts_share_a_smaller_batch(gemma: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [item(n, "雨") for n in range(6)]
    longest = len(
        gemma.prompts(prompted.prompted("few_shot", gemma, source(), asked, config()).items)[0]
    )
    monkeypatch.setattr(prompted, "CHOSEN_TOKENS", 2 * longest + 1)
    chosen = prompted.prompted("few_shot", gemma, source(), asked, config())
    assert chosen.batch_size == 2
    written = prompted.prompted("few_shot", gemma, source(writes=True), asked, config())
    assert written.batch_size == 4


def test_the_passage_that_is_asked_for_is_found_and_stands_next_to_the_question() -> None:
    asked = item(1, "浦守の値段はいくらですか", answer="28,600円です")
    ((best, second),) = search(PASSAGES, [asked.text], 2)
    assert best.headings[-1] == "製品"
    turn = with_passages(asked, [best, second])[-1]
    assert turn.role == "user"
    assert turn.content.index(second.body) < turn.content.index("会社 > 製品\n浦守の価格")
    assert turn.content.endswith("質問: 浦守の値段はいくらですか")
    assert with_passages(asked, [best])[0] == SYSTEM
    assert with_passages(asked, []) == asked.context


def test_only_the_last_user_turn_of_a_chat_gets_passages() -> None:
    asked = item(1, "浦守の{値段}は", "28,600円です", "納期は")
    context = with_passages(asked, PASSAGES[:1])
    assert context[:-1] == asked.context[:-1]
    assert context[-1].content.endswith("質問: 納期は")


def test_hits_count_references_whose_numbers_were_all_retrieved() -> None:
    asked = [
        item(1, "値段は", answer="２８６００円、納期は3週間です"),
        item(2, "設立は", answer="1953年です"),
        item(3, "社員は64名ですか", answer="はい、64名です"),  # only the question's own number
        item(4, "社長は", answer="浦ヶ瀬です"),
        item(5, "社員は", answer="64名です"),  # nowhere in the documents
    ]
    found = [[PASSAGES[1]], [PASSAGES[0]], [], [], []]
    assert hits(asked, found, PASSAGES) == {
        "items_with_numbers": 3, "found": 1, "in_documents": 2, "hit_rate": 1 / 3,
    }  # fmt: skip
    assert hits(asked[3:4], [[]], PASSAGES)["hit_rate"] is None


def test_retrieval_says_how_many_passages_each_question_got(gemma: Family) -> None:
    asked = [item(1, "浦守の価格は", answer="28,600円"), item(2, "設立は", answer="1953年")]
    made = prompted.prompted("retrieval", gemma, source(writes=True), asked, config(passages=9))
    assert made.facts["asked"] == made.facts["passages"] == 3
    assert made.facts["hit_rate"] == sum(
        "28,600" in i.context[-1].content or "1953" in i.context[-1].content for i in made.items
    ) / len(made.items)


def test_which_systems_there_are_and_why_not(gemma: Family, tmp_path: Path) -> None:
    assert prompted.systems(config(), gemma, ()) == {"few_shot": ""}
    assert prompted.systems(config(), gemma, PASSAGES) == {"few_shot": "", "retrieval": ""}
    assert prompted.systems(config(few_shot=0), gemma, ()) == {}
    assert prompted.systems(config(baselines=["nearest"]), gemma, PASSAGES) == {}
    assert prompted.systems(config(baselines=["retrieval"]), gemma, PASSAGES) == {"retrieval": ""}
    for name, make in (("seq2seq", make_t5), ("encoder", make_bert)):
        other = make_family(name, opened(make, tmp_path / name)[1])
        assert prompted.systems(config(), other, ()) == {"few_shot": "family"}
    gemma.loaded.provenance["pretrained"] = False
    assert prompted.systems(config(), gemma, ()) == {"few_shot": "not-pretrained"}
    gemma.loaded.provenance["pretrained"] = True
