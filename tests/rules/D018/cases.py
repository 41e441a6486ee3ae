from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import posts, rows


def _rows(*said: str) -> dict[str, object]:
    return {"rows": rows([*posts(50, ["相談"]), *((text, "相談") for text in said)])}


def fires() -> list[Case]:
    return [
        Case(
            "a mobile number in full-width digits",
            _rows("折り返しは０９０−１２３４−５６７８までお願いします"),
            "warning",
            ["携帯電話番号 1 件 (090-****-****)", "train.jsonl:51"],
        ),
        Case(
            "mail",
            _rows("返信は hanako.y@mail-hoshi.jp へ", "ｔａｒｏ＠ｈｏｓｈｉ．ｃｏ．ｊｐ まで"),
            "warning",
            ["メールアドレス 2 件 (h***@m***、t***@h***)"],
        ),
        Case(
            "a card with the right check digit",
            _rows("カードは 4242 4242 4242 4242 で払いました"),
            "warning",
            ["クレジットカード番号 1 件 (424* **** **** ****)"],
        ),
        Case(
            "a My Number, named as such",
            _rows("私のマイナンバーは 1234-5678-9018 です"),
            "warning",
            ["マイナンバー 1 件 (****-****-****)"],
        ),
        Case(
            "bare numbers that all have the check digit of a My Number",
            _rows(
                "控えは 123456789018 です",
                "番号 987654321093",
                "こちらは 246813579021 です",
                "これは 314159265352 です",
            ),
            "warning",
            ["マイナンバー 4 件"],
        ),
        Case(
            "an address and a number that may be a company's",
            _rows(
                "神奈川県横浜市西区みなと１丁目２番３号へお越しください", "代表は 045-123-4567 です"
            ),
            "info",
            ["電話番号 1 件 (045-***-****)", "番地まである住所 1 件 (神奈川県***)"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case(
            "what only looks like it",
            _rows(
                "お問い合わせは 0120-123-456 まで",
                "例: taro@example.com、info@example.co.jp",
                "東京都港区で打ち合わせ、京都府京都市に出張",
                "伝票番号 4004-1234-5678 は発送済みです",
                "2025-12-23 10:30 から 2026-01-05 まで",
                "売上は 1,234,567,890 円、前年は 987,654,321 円",
                "カード番号の欄に 4242 4242 4242 4241 と入れると誤りになる",
                "JAN は 4901234567894 です",
            ),
        ),
        Case(
            "parcel numbers, of which one in ten has the digit of a My Number",
            _rows(*(f"荷物の番号は {400012345600 + 7 * n} です" for n in range(60))),
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
