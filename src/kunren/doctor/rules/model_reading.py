"""What of a row reaches the model: its chat template, and the limit of its length."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.reading import Examples, Template, length
from kunren.messages import text

LOOSE = 8.0
"""A limit this many times the longest row no longer tells a stray row from the others."""

ROUND_TO = 64

DEFAULT_LENGTH = 1024


def no_chat_template(template: Template) -> Finding | None:
    """The model brings no chat template.

    モデルに対話の書式 (chat template) がありません。

    何を見るか:
        causal のモデルの `chat_template`。他のツールが保存したものでは、
        保存したトークナイザの設定。

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
        The `chat_template` of a causal model, also in the tokenizer that another tool saved.

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
        他のツール (vLLM、transformers の pipeline) で使うと、学習で一度も見ていない書き出しから
        答えることになります。kunren の評価ではよいのに、使うと悪くなります。

    例:
        考える過程を書く型の書式は、使うときだけ `<think>` を足します。学習した答えは、その後ろに
        来たことがありません。

    対処:
        他のツールで使うときは、書式の引数 (`enable_thinking=False` など) で揃えてください。
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
        答えは行の終わりにあるので、行の終わりを切るツールでは答えが失われます。kunren は黙って
        切らず、学習の前に止まります。

    例:
        過去のやりとりを付けた 1,300 トークンの行を 1,024 で切ると、質問だけを学びます。

    対処:
        モデルが読める長さまでは `train.max_length` を上げてください。それを超える行は短くするか
        除きます。入力の一部を捨ててよければ `train.truncate` を `end`、`start`、`middle` のどれかに
        すると、末尾、先頭、中央を切ります。答えとシステムプロンプトは切らず、
        切った行数を記録します。

    What it sees:
        The tokens of each row, `train.max_length`, and how many the model can read.

    Why it matters:
        The answer is at the end of a row: tools that cut the row's end lose it. kunren does not cut
        in silence but stops before training.

    For example:
        A row of 1,300 tokens with its chat history, cut at 1,024, trains the question alone.

    What to do:
        Raise `train.max_length`, up to what the model reads. Shorten or remove rows beyond that. If
        a part of what they ask may go, `train.truncate: end`, `start` or `middle` cuts it, never
        the answer or the system prompt; the record counts the rows.
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
    kind = "" if fixable else "-model"
    if config["train"].get("truncate") is not None:
        kind = "-cut"
    said = text(
        f"rules_model.truncation{kind}",
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
        kunren は上限までパディングをしないので、遅くはなりません。ただし、上限が大きいと、
        紛れ込んだ異常に長い行を止められません。他のツールでは、上限まで詰めた分だけ遅くなります。

    例:
        一番長い行が 60 トークンのデータで `max_length: 2048` とすると、上限まで詰めるツールでは
        計算の 97 % がパディングです。

    対処:
        一番長い行より少し大きい値にしてください。causal のモデルでは、単純な手法の few_shot が
        例を並べられるだけの余裕も残します (提案する値には入っています)。

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
        Take a value a little above the longest row. With causal models leave room for the examples
        that the baseline few_shot shows (the value that is offered does).
    """
    lengths = _lengths(examples)
    limit, longest = config["train"]["max_length"], max(lengths)
    if limit == DEFAULT_LENGTH or config.get("data", {}).get("documents"):
        return None  # passages of documents take what room there is
    shown = _shown(config)
    written = (config.get("evaluate", {}).get("max_new_tokens") or 0) if shown else 0
    need = longest * (1 + shown) + written
    room = -(-need // ROUND_TO) * ROUND_TO
    room = room if positions is None else min(room, positions)
    beyond = positions is not None and limit > positions
    # Twice the room, so that the limit that is named here passes.
    wide = limit >= loose * longest and limit >= 2 * room
    if not beyond and not wide:
        return None
    middle = median(lengths)
    said = text(
        "rules_model.loose-limit-beyond" if beyond else "rules_model.loose-limit",
        limit=limit, longest=longest, middle=f"{middle:g}", positions=positions, room=room,
        need=text("rules_model.loose-limit-examples", count=shown) if shown else "",
    )  # fmt: skip
    evidence = {"max_length": limit, "longest": longest, "median": middle, "reads": positions}
    return Finding("info", said, evidence, {"set": {"train.max_length": room}})


def _shown(config: Mapping[str, Any]) -> int:
    """How many rows the baseline ``few_shot`` puts into a prompt, for which there must be room.

    Else a lower limit would make the baseline weaker, and the tuned model look better beside it.
    """
    evaluate = config.get("evaluate", {})
    named = evaluate.get("baselines", "all")
    asked = named == "all" or "few_shot" in named
    causal = config.get("model", {}).get("family") == "causal"
    return int(evaluate.get("few_shot", 0)) if asked and causal else 0


def _lengths(examples: Examples) -> list[int]:
    found = [length(example) for rows in examples.values() for example in rows]
    if not found:
        raise Missing("examples")
    return found
