from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts, rows


def evidence(answers: list[str]) -> dict[str, object]:
    pairs = [(said, answer) for said, answer in zip(POSTS, answers, strict=False)]
    return {"items": free(pairs), "raw": rows(pairs), "answers": "text"}


PLAIN = [f"{n} 階の窓口へどうぞ。" for n in range(12)]


def fires() -> list[Case]:
    return [
        Case(
            "sixty equal lines",
            evidence([*PLAIN, "ご案内します。\n" + "以上です。\n" * 60]),
            "warning",
            ["13 件のうち 1 件", "「以上です。」× 60", "train.jsonl:13"],
        ),
        Case(
            "lines in the middle, and a sentence at the end",
            evidence(["手順\n" + "- 確認\n" * 4 + "終わり", *PLAIN, "少々お待ちください。" * 9]),
            "warning",
            ["14 件のうち 2 件", "「- 確認」× 4", "「少々お待ちください。」× 9"],
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    return [
        Case("answers that end", evidence(PLAIN)),
        Case("laughter and rules", evidence(["はははははははははははははは", f"表\n{'-' * 60}"])),
        Case("said three times", evidence(["どうぞ。どうぞ。どうぞ。"])),
    ]


def lacks() -> list[Case]:
    label = {
        "items": items(posts(9, ["国内"])),
        "raw": rows(posts(9, ["国内"])),
        "answers": "label",
    }
    return [Case("labels", label)]
