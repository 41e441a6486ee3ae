"""The words that politeness is told by, as lemmas of UniDic; the rules are in ``politeness.py``.

The verbs are the 特定形 of 敬語の指針 (文化審議会 2007, chapter 2, section 2); the other tables say
where its 一般形 (お/ご〜になる, お/ご〜する, 〜られる) would be read wrongly without them.
"""

from __future__ import annotations

HONORIFIC = frozenset({"いらっしゃる", "仰る", "為さる", "下さる", "召し上がる", "召す", "仰せ"})
"""Lemmas that are 尊敬語 by themselves (特定形)."""

HUMBLE = frozenset(
    {
        "致す", "申す", "申し上げる", "頂く", "伺う", "存ずる", "存じ上げる", "差し上げる",
        "承る", "賜わる", "与る",
    }
)  # fmt: skip
"""Lemmas that are 謙譲語 by themselves (特定形)."""

HUMBLE_NOUNS = frozenset(
    {"拝見", "拝読", "拝借", "拝聴", "拝受", "拝察", "拝命", "拝謁", "拝観", "頂戴"}
)
"""Nouns that make 謙譲語 with する or いたす."""

HUMBLE_PHRASES = (("目", "掛かる"), ("目", "掛ける"), ("御覧", "入れる"), ("耳", "入れる"))
"""Noun and verb of お目にかかる and the like."""

ADORNED = frozenset(
    {
        "料理", "掃除", "洗濯", "買い物", "散歩", "昼寝", "勉強", "着替え", "仕事", "化粧",
        "休む", "休み", "洒落", "稽古", "弁当", "食事", "喋り", "茶", "遊戯", "風呂", "留守番",
        "出掛け", "邪魔",
    }
)  # fmt: skip
"""With お and する these are 美化語, nobody being the target of the deed, or a fixed greeting."""

NOT_DEEDS = frozenset(
    {
        "世話", "迷惑", "厄介", "面倒", "参考", "荷物", "馳走", "邪魔", "得", "祭り", "釣り",
        "知らせ", "祝い", "守り", "土産", "仲間", "負担", "損", "縁", "手数", "在宅", "健在",
    }
)  # fmt: skip
"""With お or ご these are things and states, not deeds that somebody is honoured for."""

STATES = frozenset(
    {
        "持つ", "持ち", "待つ", "待ち", "探す", "探し", "困る", "困り", "求める", "求め",
        "帰る", "帰り", "悩む", "悩み", "住む", "住まい", "泊まる", "泊まり", "急ぐ", "急ぎ",
        "使う", "使い", "越す", "出でる", "見える", "召し", "分かる", "分かり", "済む", "済み",
        "望む", "望み", "気付き", "感じ", "勤める", "勤め", "連れる", "連れ", "決まる",
        "決まり", "考える", "考え", "疲れる", "疲れ", "休む", "休み", "存ずる", "存知", "希望",
        "検討", "心配", "出掛ける", "出掛け", "喜ぶ", "喜び", "過ごす", "過ごし", "出席",
        "欠席", "御覧", "納得", "承知",
    }
)  # fmt: skip
"""What one says of another person with お/ご〜だ, お/ご〜の方: 尊敬語 in its nominal form."""

PERSONS = frozenset({"方", "方々", "客", "皆", "皆様", "皆さん", "様"})

TITLES = frozenset(
    {
        "様", "さん", "氏", "殿", "先生", "社長", "部長", "課長", "係長", "会長", "店長",
        "教授", "監督", "先輩", "館長", "院長", "校長", "園長", "局長", "所長", "専務", "常務",
        "理事", "陛下", "殿下", "総理", "大臣", "上司", "方", "皆様", "皆さん", "委員", "医師",
        "恩師", "次長", "議長", "会頭", "住職", "主任", "頭取", "師匠", "棟梁", "女将",
    }
)  # fmt: skip
"""Words for persons whose deeds 〜(ら)れる honours."""

SUFFERED = frozenset(
    {
        "知る", "選ぶ", "呼ぶ", "叱る", "怒る", "褒める", "誘う", "頼む", "招く", "選出",
        "表彰", "逮捕", "解任", "招待", "紹介", "保護", "任命", "指名", "処分", "起訴", "批判",
        "評価", "尊敬", "指定", "限る", "含む", "騙す", "殺す", "愛する", "惜しむ", "慕う",
        "襲う", "雇う", "抽選", "派遣", "推薦", "認定", "登用", "抜擢", "告訴", "救助", "診断",
        "課す", "許す", "定める", "嫌う", "疑う",
    }
)  # fmt: skip
"""Verbs that a person with (ら)れる suffers rather than does."""

EITHER = frozenset(
    {"来る", "出る", "始める", "述べる", "勤める", "務める", "辞める", "続ける", "迎える"}
)
"""Of the verbs whose られる may also mean ability, those that honour where the subject is one."""

ASKED = frozenset(
    {
        "飲む", "行く", "読む", "話す", "帰る", "休む", "泊まる", "買う", "会う", "住む",
        "着く", "思う", "困る", "気付く", "通う", "急ぐ", "乗る", "座る", "歩く", "並ぶ",
        "申し込む",
    }
)  # fmt: skip
"""What people do, and what is hardly ever done to anything in a polite question."""

ALWAYS = frozenset({"亡くなる"})
"""Verbs that nothing but honour puts into (ら)れる."""

REPLIES = frozenset({"はい", "いいえ", "ええ", "うん", "いや"})
"""Words that are an answer alone."""
