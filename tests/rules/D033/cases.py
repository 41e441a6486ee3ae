from __future__ import annotations

from tests.rules.case import Case

from kunren.types import Message, Row, Where

PATCH = {"set": {"data.strip_marks": True}}


def rows(*pairs: tuple[str, str]) -> dict[str, object]:
    made = [
        Row(
            str(n),
            (Message("user", asked), Message("assistant", said)),
            Where("qa.jsonl", n),
        )
        for n, (asked, said) in enumerate(pairs, start=1)
    ]
    return {"rows": {"train": made}}


def plain(count: int) -> list[tuple[str, str]]:
    return [(f"{n} 月の行事は何ですか。", f"{n} 日の朝市です。") for n in range(count)]


def fires() -> list[Case]:
    typed = [(f"<|im_start|>user\n{q}<|im_end|>", f"{a}<|im_end|>") for q, a in plain(10)]
    llama = [(f"[INST] {q} [/INST]", f"{a}</s>") for q, a in plain(10)]
    quoting = ("<end_of_turn> とは何ですか。", "会話の区切りです。")
    blank = ("今日は[MASK]です。", "雨です。")
    thought = ("一年は何か月ですか。", "<think>\n暦の質問。\n</think>\n\n十二か月です。")
    return [
        Case("in all answers", rows(*typed), "critical", ("10 件", "<|im_end|> (10)"), PATCH),
        Case("of another template", rows(*llama), "critical", ("[INST] (10)", "</s>"), PATCH),
        Case(
            "in one answer of many",
            rows(*plain(40), ("はい。", "いいえ。<eos>")),
            "warning",
            ("qa.jsonl:41",),
            PATCH,
        ),
        Case("one who writes of it", rows(quoting, *plain(40)), "info", ("qa.jsonl:1",), PATCH),
        Case("a gap to fill", rows(blank, *plain(9)), "info", ("[MASK] (1)", "文字として")),
        Case("reasoning", rows(thought, *plain(9)), "info", ("思考過程", "reasoning_content")),
    ]


def quiet() -> list[Case]:
    html = ("<s>打ち消し</s>の書き方は？", "<s>と</s>で囲みます。")
    other = ("a[i] < b の意味は？", "<b>より小さい</b>という条件です。[1]")
    return [Case("plain", rows(*plain(10))), Case("HTML and code", rows(html, other, *plain(3)))]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
