"""What becomes of tokens that are added to a model's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.doctor.evidence import Finding
from kunren.messages import text


def untrained_tokens(config: Mapping[str, Any], added: int) -> Finding | None:
    """Added tokens are left untrained.

    足したトークンが学習されません。

    何を見るか:
        `model.add_tokens` でトークンを足したのに、`tuning.train_embeddings: false` でその埋め込みを
        動かさない設定かどうか。他のツールが保存したアダプタでは、
        元のモデルにないトークンの埋め込みが、入っているのに学習の対象になっていないか。

    なぜ問題か:
        新しいトークンは、元の表記の平均から始まるだけで、区別を学べません。学習した行と
        していない行で、書きやすさに差が出ます。

    例:
        5,222 個の絵文字を足し、埋め込みを凍結すると、どの絵文字もほぼ同じ確率のままです。

    対処:
        `tuning.train_embeddings` の指定を外してください。足したときは埋め込みも学習します。
        LoRA では、足した行だけを学習して一緒に保存します。

    What it sees:
        Tokens are added (`model.add_tokens`), and `tuning.train_embeddings: false` keeps their
        embeddings from moving. Of an adapter that another tool saved: whether it holds embeddings
        of tokens that its base does not have, and did not train them.

    Why it matters:
        A new token only begins as the mean of its former pieces, and cannot learn to differ from
        others.

    For example:
        With 5,222 emoji added and the embeddings frozen, all of them stay about equally probable.

    What to do:
        Leave `tuning.train_embeddings` out: where tokens are added, embeddings are trained. With
        LoRA only the new rows are, and they are saved with the adapter.
    """
    tuning = config.get("tuning", {})
    if not added or tuning.get("kind") != "full" or tuning.get("train_embeddings") is not False:
        return None
    said = text("rules_model.untrained-tokens", count=added)
    return Finding("warning", said, {"added": added}, {"set": {"tuning.train_embeddings": None}})


def unsaved_tokens(adapter: Mapping[str, Any], added: int) -> Finding | None:
    """Added tokens are not in the saved adapter.

    足したトークンの埋め込みが、アダプタに保存されていません。

    何を見るか:
        保存した `adapter_config.json` の `trainable_token_indices` と `modules_to_save` に、足した
        トークンの埋め込みが入っているか。他のツールが保存したアダプタでは、重みのファイルに
        入っている埋め込みと、元のモデルにないトークンの数も見ます。

    なぜ問題か:
        読み込み直すと、足したトークンの埋め込みが初期値か乱数に戻ります。学習中の評価はよいのに、
        後で使うと当たりません。

    例:
        トークンを足して LoRA だけを学習すると、アダプタには線形層の差分しか入りません。

    対処:
        `modules_to_save` に埋め込み層を入れるか、`trainable_token_indices` に番号を書いて学習し
        直してください。kunren は自動でそうします。

    What it sees:
        Whether `trainable_token_indices` or `modules_to_save` of the saved `adapter_config.json`
        hold the embeddings of the added tokens. Of an adapter that another tool saved, also which
        embeddings its weights hold, and how many tokens its base does not have.

    Why it matters:
        Loaded again, the new embeddings are what they began as, or random: good while training,
        and wrong in use.

    For example:
        Tokens are added and LoRA alone is trained: the adapter holds the linear layers only.

    What to do:
        Train again with the embedding layer in `modules_to_save`, or the ids in
        `trainable_token_indices`. kunren does so by itself.
    """
    if not added:
        return None
    kept = adapter.get("trainable_token_indices")
    whole = any(
        "embed" in name or name == "shared" for name in adapter.get("modules_to_save") or ()
    )
    rows = kept.values() if isinstance(kept, Mapping) else [kept or ()]
    found = max((len(row) for row in rows), default=0)
    if whole or found >= added:
        return None
    said = text("rules_model.unsaved-tokens", count=added, kept=found)
    return Finding("critical", said, {"added": added, "saved": found})


def fp16_new_tokens(config: Mapping[str, Any], added: int) -> Finding | None:
    """Training in fp16 with new embeddings.

    新しい埋め込みを fp16 で学習しようとしています。

    何を見るか:
        `train.precision: fp16` と、語彙に足したトークンの数。

    なぜ問題か:
        fp16 は 65,504 を超えると無限大になります。足したばかりの埋め込みは勾配が大きく、
        最初にあふれます。bf16 で学習されたモデル (T5、Gemma) は、活性の値でもあふれます。

    例:
        T5 に 5,222 個の絵文字を足して fp16 で学習すると、損失が NaN になりました。パディングを
        直しても残り、fp16 をやめて学習率を下げると学習が進みました。

    対処:
        `train.precision: auto` にしてください。bf16 が使える機械では bf16、なければ fp32 です。

    What it sees:
        `train.precision: fp16`, and how many tokens were added to the vocabulary.

    Why it matters:
        Above 65,504 fp16 is infinite. New embeddings have large gradients and overflow first; of
        models trained in bf16 (T5, Gemma) even activations do.

    For example:
        T5 with 5,222 added emoji gave NaN in fp16, also after padding was masked. Without fp16, at
        a lower learning rate, it trained.

    What to do:
        Set `train.precision: auto`: bf16 where the machine has it, else fp32.
    """
    if not added or config.get("train", {}).get("precision") != "fp16":
        return None
    said = text("rules_model.fp16-new-tokens", count=added)
    return Finding("warning", said, {"added": added}, {"set": {"train.precision": "auto"}})
