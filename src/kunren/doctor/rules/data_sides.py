"""What the split tells: labels of which no row is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from kunren.data.audit import SIDES
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.data_counts import FOLDS
from kunren.doctor.rules.wording import counted, joined
from kunren.messages import text

Counted = Sequence[Mapping[str, Counter[str]]]
"""For each fold: side → how many of its rows have each label."""

SOME = 0.1
"""Share of the labels, or of the training rows, that is not held out, from which on results are
those of another task."""

_Said = TypeVar("_Said")

_HELD_OUT = ("test", "validation")


def untested_labels(
    label_rows: Counted, answers: str, config: Mapping[str, Any], *, some: float = SOME
) -> Finding | None:
    """Labels are trained of which validation or test has no row.

    検証やテストに 1 件もないラベルがあります。

    何を見るか:
        学習データにあるラベルのうち、検証またはテストに 1 件もないもの。交差検証では、
        そうなる分割の数も見ます。分割のときは、異なる行が 3 件以上あるラベルをどの側にも
        置くようにしています。それでも足りないのは、行が少なすぎるか、まとめて置く行
        (同じ文やグループ) が多いか、ファイルを分けて渡したときです。

    なぜ問題か:
        テストにないラベルは、当たるかどうかが分からないまま使うことになります。検証に
        ないと、そのラベルをまったく答えないモデルでも検証の値が満点になり、早期終了も
        チェックポイントの選択もそれに気づきません。

    例:
        メール 129 件のうち迷惑メールは 9 件。検証 13 件がすべて通常のメールだと、何にでも
        「通常」と答えるだけで検証の正解率は 100 % になります。

    対処:
        そのラベルの行を集めるのが一番です。`data.split` で検証やテストの割合を増やすか、
        `evaluate.cv: 5` ですべての行を 1 度ずつテストにしてください。ファイルを分けている
        ときは、足りないファイルにその行を移してください。

    What it sees:
        Labels of the training rows of which validation or test has none; with cross-validation also
        in how many folds. A split puts each label of at least three different rows on every side;
        one is missing where it has too few rows, where many rows have to stay together (the same
        text, a group), or where the files were given.

    Why it matters:
        Nobody knows whether a label is answered right that no test row has. Without it among the
        validation rows, a model that never answers it has a perfect score there, and neither early
        stopping nor the choice of the checkpoint notices.

    For example:
        Of 129 mails 9 are spam. If all 13 validation rows are ordinary ones, the answer "ordinary"
        to everything is right in 100 % of them.

    What to do:
        Best are more rows of that label. Else a larger share of validation and test rows
        (`data.split`), or every row tested once (`evaluate.cv: 5`). With files of your own, move
        rows of it to the one that lacks it.
    """
    if answers == "text":
        raise Missing("labels")
    first = label_rows[0]
    total = sum((first.get(side, Counter()) for side in SIDES), Counter[str]())
    absent = {
        side: sorted({la for fold in label_rows for la in _absent(fold, side)}, key=_by(total))
        for side in _HELD_OUT
        if first.get(side)
    }
    if not absent:
        raise Missing("sides")
    if not any(absent.values()):
        return None
    folds = len(label_rows) if len(label_rows) > 1 else None
    parts = [
        text(
            f"rules_data.untested-labels-{'folds' if folds else 'side'}",
            side=_named(sides, "or"),
            labels=len(missed),
            kinds=len(total),
            names=counted([(la, total[la] if folds else first["train"][la]) for la in missed]),
            folds=sum(any(_absent(fold, side) for side in sides) for fold in label_rows),
            of=folds,
        )
        for sides, missed in _together(absent)
    ]
    only = {} if folds else {s: next(iter(first[s])) for s in absent if len(+first[s]) == 1}
    parts += [
        text("rules_data.untested-labels-one", side=_named(sides, "and"), label=label)
        for sides, label in _together(only)
    ]
    parts += [text(f"rules_data.untested-labels-why-{s}") for s in absent if absent[s] and not only]
    own = [side for side in absent if config.get("data", {}).get(side) is not None]
    cured = folds is None and "test" not in own and _tested_by_folds(first, absent["test"])
    few = [la for missed in absent.values() for la in missed if total[la] < len(SIDES)]
    if few and not own and not folds:
        parts.append(text("rules_data.untested-labels-few", sides=len(SIDES)))
    advice = "files" if own else "cv" if cured else "rows"
    parts.append(text(f"rules_data.untested-labels-{advice}", folds=FOLDS))
    grave = bool(only) or any(
        len(missed) >= some * len(total)
        or sum(total[la] for la in missed) >= some * sum(total.values())
        for missed in absent.values()
    )
    evidence = {
        "labels": len(total),
        "folds": len(label_rows),
        "only": only,
        **{side: {label: total[label] for label in missed} for side, missed in absent.items()},
    }
    fix = {"set": {"evaluate.cv": FOLDS}} if cured else None
    return Finding("warning" if grave else "info", joined(parts), evidence, fix)


def _together(of_side: Mapping[str, _Said]) -> list[tuple[list[str], _Said]]:
    """Sides of which the same is to be said, together; nothing is said of an empty value."""
    found: list[tuple[list[str], _Said]] = []
    for side, said in of_side.items():
        same = next((sides for sides, other in found if other == said), None)
        if same is not None:
            same.append(side)
        elif said:
            found.append(([side], said))
    return found


def _named(sides: Sequence[str], between: str) -> str:
    names = [text(f"rules_data.side-{side}") for side in sides]
    return text(f"rules_data.untested-labels-{between}").join(names)


def _absent(fold: Mapping[str, Counter[str]], side: str) -> list[str]:
    return [label for label in fold["train"] if not fold.get(side, Counter())[label]]


def _by(total: Counter[str]) -> Any:
    return lambda label: (-total[label], label)


def _tested_by_folds(first: Mapping[str, Counter[str]], missed: Sequence[str]) -> bool:
    """Whether a label that is not tested has rows enough for every fold to have one."""
    return any(first["train"][label] >= FOLDS for label in missed)
