"""What config, model and rows tell together: settings that do not go with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.reading import Steps, Weights
from kunren.doctor.rules.patches import warmup_for
from kunren.messages import text
from kunren.training.rates import learning_rate as usual_rate
from kunren.types import Item

RATE_FACTOR = 10.0
"""How far from the usual learning rate a config may go without a word. What authors report for one
kind of model and tuning spans about a factor of ten to either side (Hu et al. 2021, table D.2 and
D.4; Raffel et al. 2020; Devlin et al. 2019: 2e-5 to 5e-5 of a rate that we take as 1e-4)."""

LONG_WARMUP = 0.5
"""Share of training from which on most of it is done below the rate that was asked for."""

WEIGHTS_PER_ROW = 1e6
"""A weight holds about 2 bits of what it was trained on (Allen-Zhu & Li 2024): a million of them
could learn some 10 pages of text by heart for every single row."""


def focal_with_smoothing(config: Mapping[str, Any]) -> Finding | None:
    """Focal loss together with label smoothing.

    focal loss とラベル平滑化を同時に使っています。

    何を見るか:
        `focal_gamma` と `label_smoothing` が、どちらも 0 でないか。kunren の設定では両方は
        書けません。他のツールの設定を読むときに見ます。

    なぜ問題か:
        focal loss は「自信のある行を軽く」、平滑化は「自信をもたせない」働きです。互いに
        打ち消し、どちらが効いたのか分からなくなります。

    例:
        絵文字の実験の設定に `focal_gamma: 2.0` と `label_smoothing: 0.1` が並んでいました。
        focal loss を使った実験では平滑化を 0 にしたので、多様性が 21 % から 14 % に下がった
        理由を focal loss だけで考えられました。

    対処:
        片方だけにして比べてください。まず平滑化を 0 にします。

    What it sees:
        `focal_gamma` and `label_smoothing`, both not 0. kunren's own configs refuse that; it is for
        configs of other tools.

    Why it matters:
        Focal loss gives confident rows less weight, smoothing keeps rows from becoming confident:
        they work against each other, and nobody can tell which did what.

    For example:
        One config for emoji named both `focal_gamma: 2.0` and `label_smoothing: 0.1`. The runs with
        focal loss had a smoothing of 0: when diversity fell from 21 % to 14 %, it was the focal
        loss.

    What to do:
        Use one and compare. Begin with a smoothing of 0.
    """
    loss = config.get("train", {}).get("loss") or config
    gamma, smoothing = loss.get("focal_gamma"), loss.get("label_smoothing")
    if gamma is None and smoothing is None:
        raise Missing("loss-settings")
    if not gamma or not smoothing:
        return None
    fields = {"focal_gamma": gamma, "label_smoothing": smoothing}
    fix = {"set": {"train.loss.label_smoothing": 0.0}}
    return Finding("warning", text("rules_model.focal-with-smoothing", **fields), fields, fix)


def rate_out_of_range(
    config: Mapping[str, Any], weights: Weights, *, factor: float = RATE_FACTOR
) -> Finding | None:
    """A learning rate far from what suits the tuning.

    学習率が、この学習のしかたに合う範囲から外れています。

    何を見るか:
        `train.learning_rate` を、モデルの種類と full / LoRA ごとの標準の値と比べます。

    なぜ問題か:
        高すぎると、元のモデルが覚えていたことを壊します (同じ答えしか返さない、NaN になる)。
        低すぎると、決めたエポック数では何も変わりません。

    例:
        LoRA の 5e-4 をそのまま full に使うと、数十ステップで 1 つの答えに潰れます。full の
        3e-5 を LoRA に使うと、損失はほとんど動きません。

    対処:
        `train.learning_rate` を外すと、種類に合う値を kunren が選びます。理由があって外れた値を
        使うなら、その理由を `doctor.thresholds` に書いてください。

    What it sees:
        `train.learning_rate` beside the usual rate for the family of the model and full or LoRA.

    Why it matters:
        Too high, it destroys what the model knew (one answer to everything, NaN). Too low, nothing
        changes within the epochs there are.

    For example:
        LoRA's 5e-4 used with full tuning collapses onto one answer within some dozen steps; 3e-5
        with LoRA hardly moves the loss.

    What to do:
        Leave `train.learning_rate` out, and kunren chooses. Where you have a reason for another,
        write it under `doctor.thresholds`.
    """
    rate, kind = config["train"].get("learning_rate"), config["tuning"]["kind"]
    family = config["model"].get("family")
    if family is None:
        raise Missing("family")
    if rate is None:
        return None
    usual = usual_rate(family, kind, weights.pretrained)
    # A little more than the factor, so that ten times the usual rate is still inside.
    if usual / factor * 0.999 <= rate <= usual * factor * 1.001:
        return None
    high = rate > usual
    said = text(
        f"rules_model.learning-rate-{'high' if high else 'low'}",
        rate=f"{rate:g}",
        usual=f"{usual:g}",
        times=f"{rate / usual if high else usual / rate:.0f}",
        kind=kind,
        family=family,
    )
    evidence = {"learning_rate": rate, "usual": usual, "family": family, "tuning": kind}
    return Finding("warning", said, evidence, {"set": {"train.learning_rate": usual}})


def long_warmup(steps: Steps, *, share: float = LONG_WARMUP) -> Finding | None:
    """The warm-up takes most of training, or more.

    ウォームアップが、学習の大半を占めています。

    何を見るか:
        学習率を上げていくステップ数と、全体のステップ数。

    なぜ問題か:
        学習のあいだ、指定した学習率にほとんど届きません。ウォームアップが全体より長いと、一度も
        届かないまま終わります。

    例:
        少ないデータで `warmup_steps: 500` とすると、全部で 300 ステップしかなく、学習率は
        指定の 60 % で終わります。

    対処:
        `train.warmup: 0.1` (全体の 1 割) にしてください。全体が数ステップしかなければ 0 にします。
        1 以上の値はステップ数です。

    What it sees:
        Steps of rising learning rate, beside all steps.

    Why it matters:
        The rate that was asked for is hardly reached; with a warm-up longer than training, never.

    For example:
        `warmup_steps: 500` on few rows: there are only 300 steps, and training ends at 60 % of the
        rate.

    What to do:
        Set `train.warmup: 0.1` (a tenth of training), or 0 where there are only a few steps. From 1
        on the value is a number of steps.
    """
    part = steps.warmup / steps.total
    if part < share:
        return None
    over = steps.warmup >= steps.total
    fields = {"warmup": steps.warmup, "total": steps.total}
    reached = 100 * min(1.0, steps.total / steps.warmup)
    better = warmup_for(steps.total, share)
    said = text(
        f"rules_model.long-warmup-{'over' if over else 'most'}", **fields, reached=reached,
        part=100 * part, advice=text(f"rules_model.long-warmup-{'tenth' if better else 'none'}"),
    )  # fmt: skip
    return Finding("warning", said, fields, {"set": {"train.warmup": better}})


def many_weights(
    weights: Weights,
    items: Mapping[str, Sequence[Item]],
    config: Mapping[str, Any],
    *,
    per_row: float = WEIGHTS_PER_ROW,
) -> Finding | None:
    """Far more weights move than the rows can carry.

    行数に比べて、動かす重みが多すぎます。

    何を見るか:
        学習で動く重みの数を、学習に使う答えの数で割ります。

    なぜ問題か:
        どの行も丸暗記できる大きさです。学習の損失は必ず下がるので、下がったことは何の証拠にも
        なりません。

    例:
        2 億 7,000 万個の重みを 80 行で動かすと、1 行あたり 100 万個を超えます。2 エポック目には
        学習データをほぼ覚えてしまい、検証の損失は上がり始めます。

    対処:
        `tuning.kind: lora` にすると、動かす重みは 1 % ほどになります (事前学習していない
        `scratch:` のモデルでは使えません)。行を増やすのが一番です。full のままなら、早期終了を
        外さず、検証とテストの値だけで判断してください。

    What it sees:
        Weights that training moves, divided by the answers that it trains on.

    Why it matters:
        Every row could be learnt by heart. The training loss will fall in any case, and proves
        nothing.

    For example:
        270 million weights moved by 80 rows are more than a million for each: in the second epoch
        the rows are known by heart and the validation loss begins to rise.

    What to do:
        `tuning.kind: lora` moves about 1 % of the weights (a model of `scratch:`, not pretrained,
        cannot be tuned so). More rows are best. With full tuning keep early stopping, and judge by
        validation and test rows only.
    """
    if weights.moving is None:
        return None
    rows = len(items["train"])
    if weights.moving < per_row * rows:
        return None
    said = text(
        "rules_model.many-weights",
        moving=_many(weights.moving),
        rows=rows,
        each=_many(weights.moving / rows),
    )
    evidence = {"moving": weights.moving, "rows": rows}
    if not weights.pretrained:
        # LoRA adds a little to what a model knows; random weights know nothing.
        return Finding("info", said, evidence)
    # The rate of full tuning, whoever chose it, is not LoRA's.
    change: dict[str, Any] = {"tuning.kind": "lora", "train.learning_rate": None}
    if config["tuning"].get("train_embeddings") is not None:
        change["tuning.train_embeddings"] = None
    said += text("rules_model.many-weights-lora")
    return Finding("info", said, evidence, {"set": change})


def _many(weights: float) -> str:
    """About so many, as one says it in the user's language: 1 億, 125 万; 100 million."""
    kind = "oku" if weights >= 1e8 else "man" if weights >= 1e4 else "few"
    fields = {"oku": weights / 1e8, "man": weights / 1e4, "million": weights / 1e6}
    return text(f"rules_model.weights-{kind}", all=weights, **fields)
