"""What config, model and rows tell together: settings that do not go with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.reading import Examples, Steps, Template, Weights, length
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

LOOSE = 8.0
"""A limit this many times the longest row no longer tells a stray row from the others."""

ROUND_TO = 64
DEFAULT_LENGTH = 1024


def fp16_new_tokens(config: Mapping[str, Any], added: int) -> Finding | None:
    """Training in fp16 with new embeddings.

    新しい埋め込みを fp16 で学習しようとしています。

    何を見るか:
        `train.precision: fp16` と、語彙に足したトークンの数。

    なぜ問題か:
        fp16 は 65,504 を超えると無限大になります。足したばかりの埋め込みは勾配が大きく、
        最初にあふれます。bf16 で学習されたモデル (T5、Gemma) は、活性の値でもあふれます。

    例:
        T5 に 5,222 個の絵文字を足して fp16 で学習すると、損失が NaN になりました。fp16 を
        やめただけで直りました。

    対処:
        `train.precision: auto` にしてください。bf16 が使える機械では bf16、なければ fp32 です。

    What it sees:
        `train.precision: fp16`, and how many tokens were added to the vocabulary.

    Why it matters:
        Above 65,504 fp16 is infinite. New embeddings have large gradients and overflow first; of
        models trained in bf16 (T5, Gemma) even activations do.

    For example:
        T5 with 5,222 added emoji gave NaN in fp16. Leaving fp16 was all it took.

    What to do:
        Set `train.precision: auto`: bf16 where the machine has it, else fp32.
    """
    if not added or config.get("train", {}).get("precision") != "fp16":
        return None
    said = text("rules_model.fp16-new-tokens", count=added)
    return Finding("warning", said, {"added": added}, {"set": {"train.precision": "auto"}})


def focal_with_smoothing(config: Mapping[str, Any]) -> Finding | None:
    """Focal loss together with label smoothing.

    focal loss とラベル平滑化を同時に使っています。

    何を見るか:
        `focal_gamma` と `label_smoothing` が、どちらも 0 でないか。kunren の設定では両方は
        書けません。他の道具の設定を読むときに見ます。

    なぜ問題か:
        focal loss は「自信のある行を軽く」、平滑化は「自信をもたせない」働きです。互いに
        打ち消し、どちらが効いたのか分からなくなります。

    例:
        `focal_gamma: 2.0`、`label_smoothing: 0.1` の実験で、多様性が 25 % から 14 % に下がった
        理由は、どちらとも言えませんでした。

    対処:
        片方だけにして比べてください。まず平滑化を 0 にします。

    What it sees:
        `focal_gamma` and `label_smoothing`, both not 0. kunren's own configs refuse that; it is for
        configs of other tools.

    Why it matters:
        Focal loss gives confident rows less weight, smoothing keeps rows from becoming confident:
        they work against each other, and nobody can tell which did what.

    For example:
        With `focal_gamma: 2.0` and `label_smoothing: 0.1` diversity fell from 25 % to 14 %; the
        cause could be either.

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
        `train.warmup: 0.1` (全体の 1 割) にしてください。1 以上の値はステップ数です。

    What it sees:
        Steps of rising learning rate, beside all steps.

    Why it matters:
        The rate that was asked for is hardly reached; with a warm-up longer than training, never.

    For example:
        `warmup_steps: 500` on few rows: there are only 300 steps, and training ends at 60 % of the
        rate.

    What to do:
        Set `train.warmup: 0.1` (a tenth of training). From 1 on the value is a number of steps.
    """
    part = steps.warmup / steps.total
    if part < share:
        return None
    over = steps.warmup >= steps.total
    fields = {"warmup": steps.warmup, "total": steps.total}
    reached = 100 * min(1.0, steps.total / steps.warmup)
    said = text(
        f"rules_model.long-warmup-{'over' if over else 'most'}", **fields, reached=reached,
        part=100 * part,
    )  # fmt: skip
    return Finding("warning", said, fields, {"set": {"train.warmup": 0.1}})


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
        学習行をほぼ覚えてしまい、検証の損失は上がり始めます。

    対処:
        `tuning.kind: lora` にすると、動かす重みは 1 % ほどになります。行を増やすのが一番です。
        full のままなら、早期終了を外さず、検証とテストの値だけで判断してください。

    What it sees:
        Weights that training moves, divided by the answers that it trains on.

    Why it matters:
        Every row could be learnt by heart. The training loss will fall in any case, and proves
        nothing.

    For example:
        270 million weights moved by 80 rows are more than a million for each: in the second epoch
        the rows are known by heart and the validation loss begins to rise.

    What to do:
        `tuning.kind: lora` moves about 1 % of the weights. More rows are best. With full tuning
        keep early stopping, and judge by validation and test rows only.
    """
    if weights.moving is None:
        return None
    rows = len(items["train"])
    if weights.moving < per_row * rows:
        return None
    said = text(
        "rules_model.many-weights",
        moving=f"{weights.moving / 1e6:,.0f}",
        rows=rows,
        each=f"{weights.moving / rows:,.0f}",
    )
    change: dict[str, Any] = {"tuning.kind": "lora"}
    if config["train"].get("learning_rate") is not None:
        change["train.learning_rate"] = None
    if config["tuning"].get("train_embeddings") is not None:
        change["tuning.train_embeddings"] = None
    evidence = {"moving": weights.moving, "rows": rows}
    return Finding("info", said, evidence, {"set": change})


def no_chat_template(template: Template) -> Finding | None:
    """The model brings no chat template.

    モデルに対話の書式 (chat template) がありません。

    何を見るか:
        causal のモデルの `chat_template`。

    なぜ問題か:
        書式がないのは、指示に従う訓練を受けていない素のモデルの印です。学習前の答えは悪くて
        当然なので、「学習でよくなった」という比較は、ほとんど書式を覚えた分かもしれません。

    例:
        `gemma-3-270m` (`-it` なし) に分類を頼むと、質問の続きを書き始めます。

    対処:
        kunren が語彙に合う書式を与え、保存するモデルに一緒に書きます。使うときも同じ書式が
        使われるので、害はありません。指示に従うモデル (`-it`、`-Instruct`) があるなら、
        それと比べてください。

    What it sees:
        The `chat_template` of a causal model.

    Why it matters:
        A model without one was never trained to follow instructions. Its answers before tuning are
        bad as a matter of course, so much of "training helped" may be the format alone.

    For example:
        Asked to classify, `gemma-3-270m` (not `-it`) goes on with the question.

    What to do:
        kunren gives it a template that suits its vocabulary and saves it with the model, so that
        use and training agree. Where there is a model that follows instructions (`-it`,
        `-Instruct`), compare with it.
    """
    if template.given is None:
        return None
    said = text("rules_model.no-chat-template", name=template.given)
    return Finding("info", said, {"given": template.given})


def template_mismatch(template: Template) -> Finding | None:
    """Prompts end differently in training and in use.

    学習するときと使うときで、対話の書式が違います。

    何を見るか:
        学習で答えの直前に来る文字列と、同じ会話を `apply_chat_template(add_generation_prompt=True)`
        で書いたときの終わり。

    なぜ問題か:
        他の道具 (vLLM、transformers の pipeline) で使うと、学習で一度も見ていない書き出しから
        答えることになります。kunren の評価ではよいのに、使うと悪くなります。

    例:
        考える過程を書く型の書式は、使うときだけ `<think>` を足します。学習した答えは、その後ろに
        来たことがありません。

    対処:
        他の道具で使うときは、書式の引数 (`enable_thinking=False` など) で揃えてください。
        `kunren chat` と `kunren predict` は、学習と同じ書式を使います。

    What it sees:
        What stands right before an answer in training, and how the same conversation ends with
        `apply_chat_template(add_generation_prompt=True)`.

    Why it matters:
        Other tools (vLLM, transformers' pipelines) would let the model answer from an opening that
        it never saw: good in kunren's evaluation, worse in use.

    For example:
        Templates of models that think add `<think>` in use only; no trained answer ever stood
        behind it.

    What to do:
        Make other tools agree by the template's arguments (such as `enable_thinking=False`).
        `kunren chat` and `kunren predict` use what was trained.
    """
    if template.trained == template.asked:
        return None
    said = text(
        "rules_model.template-mismatch",
        trained=repr(template.trained[-40:]),
        asked=repr(template.asked[-40:]),
    )
    evidence = {"trained": template.trained[-200:], "asked": template.asked[-200:]}
    return Finding("warning", said, evidence)


def truncation(
    examples: Examples, config: Mapping[str, Any], positions: int | None
) -> Finding | None:
    """Rows are longer than what is read of them.

    長さの上限を超える行があります。

    何を見るか:
        各行のトークン数と、`train.max_length`、モデルが読める長さ。

    なぜ問題か:
        答えは行の終わりにあるので、切れば答えが失われます。kunren は切らずに、学習の前に
        止まります。

    例:
        過去のやりとりを付けた 1,300 トークンの行を 1,024 で切ると、質問だけを学びます。

    対処:
        モデルが読める長さまでは `train.max_length` を上げてください。それを超える行は短くするか
        除きます。

    What it sees:
        The tokens of each row, `train.max_length`, and how many the model can read.

    Why it matters:
        The answer is at the end of a row: cutting loses it. kunren does not cut but stops before
        training.

    For example:
        A row of 1,300 tokens with its chat history, cut at 1,024, trains the question alone.

    What to do:
        Raise `train.max_length`, up to what the model reads. Shorten or remove rows beyond that.
    """
    lengths = _lengths(examples)
    asked: int = config["train"]["max_length"]
    limit = asked if positions is None else min(asked, positions)
    longer = [n for n in lengths if n > limit]
    if not longer:
        return None
    longest = max(lengths)
    fixable = positions is None or longest <= positions
    room = -(-longest // ROUND_TO) * ROUND_TO
    room = room if positions is None else min(room, positions)
    said = text(
        "rules_model.truncation" if fixable else "rules_model.truncation-model",
        count=len(longer),
        rows=len(lengths),
        limit=limit,
        longest=longest,
        room=room,
    )
    evidence = {"longer": len(longer), "rows": len(lengths), "limit": limit, "longest": longest}
    return Finding(
        "critical", said, evidence, {"set": {"train.max_length": room}} if fixable else None
    )


def loose_limit(
    examples: Examples,
    config: Mapping[str, Any],
    positions: int | None,
    *,
    loose: float = LOOSE,
) -> Finding | None:
    """The length limit is far above need, or above what the model reads.

    長さの上限が、必要よりずっと大きいか、モデルの読める長さを超えています。

    何を見るか:
        `train.max_length` と、一番長い行、モデルが読める長さ。初期値の 1024 は問題にしません。

    なぜ問題か:
        kunren は上限まで詰め物をしないので、遅くはなりません。ただし、上限が大きいと、紛れ込んだ
        異常に長い行を止められません。他の道具では、上限まで詰めた分だけ遅くなります。

    例:
        一番長い行が 60 トークンのデータで `max_length: 2048` とすると、上限まで詰める道具では
        計算の 97 % が詰め物です。

    対処:
        一番長い行より少し大きい値にしてください。

    What it sees:
        `train.max_length` beside the longest row and what the model reads. The default of 1024
        passes.

    Why it matters:
        kunren does not fill rows up, so it costs no time; but a stray row of great length is not
        caught. Tools that fill up to the limit pay for all of it.

    For example:
        With a longest row of 60 tokens and `max_length: 2048`, 97 % of what such a tool computes is
        padding.

    What to do:
        Take a value a little above the longest row.
    """
    lengths = _lengths(examples)
    limit, longest = config["train"]["max_length"], max(lengths)
    beyond = positions is not None and limit > positions and limit != DEFAULT_LENGTH
    wide = limit >= loose * longest and limit != DEFAULT_LENGTH
    if not beyond and not wide:
        return None
    room = max(ROUND_TO, -(-longest // ROUND_TO) * ROUND_TO)
    room = room if positions is None else min(room, positions)
    if room >= limit:
        return None
    middle = median(lengths)
    said = text(
        "rules_model.loose-limit-beyond" if beyond else "rules_model.loose-limit",
        limit=limit, longest=longest, middle=f"{middle:g}", positions=positions, room=room,
    )  # fmt: skip
    evidence = {"max_length": limit, "longest": longest, "median": middle, "reads": positions}
    return Finding("info", said, evidence, {"set": {"train.max_length": room}})


def _lengths(examples: Examples) -> list[int]:
    found = [length(example) for rows in examples.values() for example in rows]
    if not found:
        raise Missing("examples")
    return found
