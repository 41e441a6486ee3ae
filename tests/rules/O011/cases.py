from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import EMOJI, free_texts, label_sets, one_label

TEXTS = [f"受付は{n}時までで、土曜日はお休みをいただいております。" for n in range(40)]
LONG = "お問い合わせは本社の窓口で承っており、担当の者が順にお答えいたしますので、お名前とご用件を"


def texts(endless: int, said: str) -> dict[str, object]:
    written = [said if n < endless else gold for n, gold in enumerate(TEXTS)]
    return {"written": free_texts(TEXTS, written), "answers": "text"}


def fires() -> list[Case]:
    sets = label_sets([EMOJI[:2]] * 40, ["😊 📚 🎵 😊 🎉"] * 40)
    labels = one_label(["国際"] * 20, ["国際" * 12] * 20, written=True)
    return [
        Case("loops", texts(30, "東京です。" * 12), "critical", ("繰り返し 30 件", "東京です。")),
        Case("a few", texts(2, "東京です。" * 12 + "東"), "info", ("40 件のうち 2 件",)),
        Case(
            "cut in the middle", texts(6, LONG), "warning", ("長すぎるもの 6 件", "max_new_tokens")
        ),
        Case("sets that go on", {"written": sets, "answers": "set"}, "critical"),
        Case("one label", {"written": labels, "answers": "label"}, "warning"),
    ]


def quiet() -> list[Case]:
    laughs = ["それは傑作です" + "あは" * 10] * 40
    bare = [gold.rstrip("。") for gold in TEXTS]
    never = {"written": free_texts(bare, [*bare[:30], *[LONG] * 10]), "answers": "text"}
    return [
        Case("all come to an end", texts(0, "")),
        Case("a single one", texts(1, "東京です。" * 12)),
        Case("long, with an end", texts(40, LONG + "お聞かせください。")),
        Case("gold repeats too", {"written": free_texts(laughs, laughs), "answers": "text"}),
        Case("gold has no end either", never),
        Case("said twice", texts(40, "はい、はい、承知いたしました。")),
    ]


def lacks() -> list[Case]:
    return [Case("nothing generated", {"answers": "text"})]
