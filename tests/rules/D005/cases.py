from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, config, free, items, posts

OTHERS = ["📚", "🎉", "😅", "⚽", "🤔", "🌞", "🔬", "🎵", "🔥", "💔", "🏀", "😄", "😊", "😢", "💭"]


def _sparkle(every: int) -> list[tuple[str, tuple[str, ...]]]:
    """Sets as in seed 001: ✨ in one of ``every`` rows, beside two others."""
    return [
        (POSTS[n], (*(("✨",) if n % every == 0 else ()), OTHERS[n % 15], OTHERS[(7 * n + 1) % 15]))
        for n in range(300)
    ]


def _labels(*counts: int) -> list[tuple[str, str]]:
    names = [
        name
        for name, count in zip("甲乙丙丁戊己庚辛壬癸", counts, strict=False)
        for _ in range(count)
    ]
    return [(f"{POSTS[n % 400]}{n // 400}", name) for n, name in enumerate(names)]


def _case(name: str, pairs: object, answers: str, **changes: object) -> Case:
    evidence = {"items": items(pairs), "answers": answers, "config": config(**changes)}  # type: ignore[arg-type]
    return Case(name, evidence)


def fires() -> list[Case]:
    tag = config(task__kind="tag", task__labels__ban=["🈲"])
    seed = {"items": items(_sparkle(1)), "answers": "set", "config": tag}
    single = {"items": items(_labels(240, 40, 40, 40, 40)), "answers": "label", "config": config()}
    two = {"items": items(_labels(285, 15)), "answers": "label", "config": config()}
    return [
        Case(
            "seed 001: ✨ on everything",
            seed,
            "warning",
            ["「✨」", "16 種のうちの 1 種", "task.labels.ban"],
            {"set": {"task.labels.ban": ["🈲", "✨"]}},
        ),
        Case(
            "one category of five is six times the next",
            single,
            "warning",
            ["「甲」", "60.0 % (均等なら 20.0 %)", "6.0 倍"],
            {"set": {"train.loss.class_weights": "balanced"}},
        ),
        Case(
            "two labels, one of them 19 in 20",
            two,
            "warning",
            ["95.0 % 当たる"],
            {"set": {"train.loss.class_weights": "balanced"}},
        ),
    ]


def quiet() -> list[Case]:
    zipf = _labels(*(round(120 / n) for n in range(1, 11)))
    return [
        _case("as Zipf has it", zipf, "label"),
        _case("two labels, three to one", _labels(225, 75), "label"),
        _case("three against one row is chance", _labels(6, 2, 2, 1, 1), "label"),
        _case("even", posts(300, OTHERS), "label"),
        _case("✨ now and then", _sparkle(4), "set"),
        _case(
            "the loss counts it less",
            _labels(240, 40, 40, 40, 40),
            "label",
            train__loss__class_weights="balanced",
        ),
    ]


def lacks() -> list[Case]:
    text = {"items": free([("営業時間は？", "9 時からです。")]), "answers": "text"}
    return [
        Case("free text has no labels", text | {"config": config()}),
        Case("no config", {"items": items(posts(9, ["😀"])), "answers": "label"}),
    ]
