"""What tokenizer and model tell together: whether rows can be read, and answers written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.reading import Batch, Ends, Examples, Vocabulary, counted, last_trained
from kunren.errors import Problem
from kunren.messages import text
from kunren.types import LabelExample

NOT_COUNTED = -100
"""The label that PyTorch's cross-entropy leaves out; see ``training.collate``."""

SHOWN = 5


def vocabulary_mismatch(vocabulary: Vocabulary) -> Finding | None:
    """The tokenizer knows tokens that the model has no embedding for.

    トークナイザの語彙が、モデルの埋め込みに合っていません。

    何を見るか:
        トークナイザの番号のうち、モデルの埋め込みに行がないもの。特別なトークン、対話の書式、
        データの文に現れるものだけを数えます。名前だけで使われない番号は問題にしません。
        他のツールが保存したモデルとアダプタでは、保存したトークナイザと、埋め込みの行数を見ます。

    なぜ問題か:
        その番号が来たところで学習が止まるか、でたらめな値を読みます。アダプタを別の語彙で
        学習した場合は、保存したものを読み込めません。

    例:
        トークンを 4 個足したトークナイザ (32,004) で学習した LoRA を、元のモデル (32,000) に
        付けようとして `size mismatch` になった。読み込みに失敗したのに評価だけ進み、
        「-100 % の改善」と記録されていました。

    対処:
        トークンを足した後で `model.resize_token_embeddings(len(tokenizer))` を行い、モデルと
        トークナイザを同じフォルダに保存し直してください。kunren に足させるなら
        `model.add_tokens` に書きます。

    What it sees:
        Ids of the tokenizer without a row in the model's embeddings, where they are special, part
        of the chat template, or occur in the rows. Ids that are named and never used pass. Of a
        model or adapter that another tool saved: its saved tokenizer and its rows of embeddings.

    Why it matters:
        Where such an id comes, training breaks off or reads nonsense; and an adapter that was
        trained with another vocabulary cannot be loaded again.

    For example:
        A LoRA trained with four added tokens (32,004) was put on the plain base (32,000): `size
        mismatch`. The evaluation went on without it and recorded an "improvement of -100 %".

    What to do:
        After adding tokens call `model.resize_token_embeddings(len(tokenizer))` and save model and
        tokenizer into one folder. Or let kunren add them: `model.add_tokens`.
    """
    if not vocabulary.needed:
        return None
    said = text(
        "rules_model.vocabulary-mismatch",
        tokens=vocabulary.tokens,
        rows=vocabulary.rows,
        count=len(vocabulary.needed),
        names=" ".join(vocabulary.needed[:SHOWN]),
    )
    evidence = {
        "tokens": vocabulary.tokens,
        "embedding_rows": vocabulary.rows,
        "without": list(vocabulary.needed[:SHOWN]),
    }
    return Finding("critical", said, evidence)


def label_roundtrip(round_trip: Sequence[Problem]) -> Finding | None:
    """Labels do not come back as they were written.

    トークナイザを通すと、ラベルが元に戻りません。

    何を見るか:
        ラベルと答えをトークンにして、文に戻します。戻らないもの、未知の文字 (`<unk>`) に
        なるもの、生成した文から取り除かれる特別なトークンになるものを探します。

    なぜ問題か:
        モデルはそのラベルを書けません。どれだけ学習しても、その答えは必ず不正解になります。

    例:
        `sonoisa/t5-base-japanese` は絵文字をほとんど知らないので、😊 も 😢 も同じ `<unk>` に
        なります。特別なトークンとして足すと、今度は生成文から消えます。

    対処:
        `model.add_tokens: labels` で、ふつうのトークンとして語彙に足してください。特別な
        トークンと重なるラベルは、データの側を書き換えます。

    What it sees:
        Labels and answers are made into tokens and back. It looks for those that come back
        changed, become the unknown token, or are special tokens, which decoding drops.

    Why it matters:
        The model cannot write such a label: however long it is trained, it will always be wrong.

    For example:
        `sonoisa/t5-base-japanese` hardly knows emoji: 😊 and 😢 are both `<unk>`. Added as special
        tokens, they vanish from what is generated.

    What to do:
        `model.add_tokens: labels` adds them as ordinary tokens. A label that is a special token
        has to be written differently in the data.
    """
    if not round_trip:
        return None
    addable = [p for p in round_trip if p.code == "vocabulary.unwritable"]
    fix = {"set": {"model.add_tokens": "labels"}} if len(addable) == len(round_trip) else None
    evidence = {p.code.partition(".")[2]: p.fields["count"] for p in round_trip}
    return Finding("critical", "\n".join(map(str, round_trip)), evidence, fix)


def empty_loss_mask(examples: Examples) -> Finding | None:
    """Rows of which the loss counts nothing.

    損失に数えるトークンが 1 つもない行があります。

    何を見るか:
        学習に使う行ごとに、損失に数えるトークン (答えと、その終わり) の数。

    なぜ問題か:
        その行からは何も学べません。空の集まりの平均は NaN になるので、バッチ全体の損失が
        NaN になり、そこから先の重みがすべて壊れることもあります。

    例:
        長い指示を先に置き、`max_length` で後ろを切ると、答えがすべて切り落とされます。
        損失は 0.0 か NaN です。

    対処:
        答えのない行を除き、答えが切れない長さにしてください。

    What it sees:
        For each training row, how many tokens (the answer and its end) the loss counts.

    Why it matters:
        Nothing is learnt from such a row. The mean over nothing is NaN, which can spread over the
        batch and spoil all weights from there on.

    For example:
        A long instruction comes first, `max_length` cuts the end, and the answer is gone. The loss
        is 0.0 or NaN.

    What to do:
        Take out rows without an answer, and let no answer be cut.
    """
    rows = _trained(examples)
    empty = [example.row_id for example in rows if not counted(example)]
    if not empty:
        return None
    said = text(
        "rules_model.empty-loss-mask",
        count=len(empty),
        rows=len(rows),
        names=", ".join(empty[:SHOWN]),
    )
    evidence = {"empty": len(empty), "rows": len(rows), "row_ids": empty[:SHOWN]}
    return Finding("critical", said, evidence)


def padding_in_loss(batch: Batch) -> Finding | None:
    """Padding is counted in the loss.

    損失が、パディング も数えています。

    何を見るか:
        実際に学習に渡すバッチで、行の終わりより後ろのラベルが -100 (数えない) になっているか。

    なぜ問題か:
        短い答えほど、答えよりずっと多いパディングを「正解」として学びます。損失はよく下がるのに、
        答えはよくなりません。パディングに重みのない実装では NaN になります。

    例:
        絵文字 1 個の答えを 32 トークンに揃えると、数える 32 個のうち 30 個が `<pad>` でした。
        絵文字を足した T5 では、`labels[labels == pad_token_id] = -100` を加えた後も NaN が残り、
        もう 1 つの原因 (fp16) を除くまで分かりませんでした。

    対処:
        パディングの位置のラベルを -100 にしてください。番号ではなく位置で判断します。`<pad>` と
        文末の番号が同じモデルでは、番号で消すと文末も消えるためです。kunren のバッチは
        初めからそうなっています。

    What it sees:
        Whether, in a batch as training gets it, labels behind a row's end are -100 (not counted).

    Why it matters:
        The shorter the answers, the more padding is learnt as if it were gold: the loss falls
        nicely, and the answers do not improve. In some set-ups it becomes NaN.

    For example:
        Answers of one emoji were filled up to 32 tokens; 30 of 32 counted labels were `<pad>`.
        Of a T5 with added emoji the loss was NaN even after
        `labels[labels == pad_token_id] = -100`: there was a second cause, fp16.

    What to do:
        Set labels of padded places to -100, by place and not by id: where `<pad>` and the end of
        text are one id, the end would go too. kunren's own batches are so from the start.
    """
    padded = wrong = 0
    for labels, own in zip(batch.labels, batch.lengths, strict=True):
        padded += len(labels) - own
        wrong += sum(label != NOT_COUNTED for label in labels[own:])
    if not wrong:
        return None
    right = sum(label != NOT_COUNTED for row in batch.labels for label in row) - wrong
    fields = {"wrong": wrong, "padded": padded, "right": right}
    return Finding("critical", text("rules_model.padding-in-loss", **fields), fields)


def end_of_turn_untrained(examples: Examples, ends: Ends) -> Finding | None:
    """The end of an answer is never trained.

    答えの終わりを学習していません。

    何を見るか:
        学習する行の、損失に数える最後のトークンが、生成を止めるトークン (`<end_of_turn>` や
        `</s>`) かどうか。

    なぜ問題か:
        モデルは、いつ書き終えるかを知らないままになります。使うときに、正しい答えの後ろへ
        同じ語や次の質問まで書き続けます。

    例:
        対話の書式を自分で組み立てて `<end_of_turn>` を忘れると、「😊」の後に 😊 が上限まで
        続きます。

    対処:
        書式の、答えの直後に終わりのトークンを入れ、損失に数えてください。元のモデルの
        `chat_template` をそのまま使うのが確実です。

    What it sees:
        Whether the last token that the loss counts is one that ends generation
        (`<end_of_turn>`, `</s>`).

    Why it matters:
        The model never learns when to stop: behind the right answer it goes on with the same word,
        or with the next question.

    For example:
        A chat format put together by hand without `<end_of_turn>` gives 😊 again and again, up to
        the limit.

    What to do:
        Put the end token right behind the answer and count it in the loss. Best use the base
        model's own `chat_template`.
    """
    rows = [e for e in _trained(examples) if not isinstance(e, LabelExample)]
    if not rows:
        raise Missing("writing")
    endless = [e for e in rows if counted(e) and last_trained(e) not in ends.ids]
    if not endless:
        return None
    everything = len(endless) == len(rows)
    said = text(
        f"rules_model.end-of-turn-untrained-{'all' if everything else 'some'}",
        count=len(endless),
        rows=len(rows),
        ends=" / ".join(ends.names) or "—",
    )
    evidence = {"endless": len(endless), "rows": len(rows), "ends": list(ends.names)}
    return Finding("critical" if everything else "warning", said, evidence)


def pad_is_eos(ends: Ends) -> Finding | None:
    """Padding and the end of an answer are one token.

    パディングと文末が同じトークンです。

    何を見るか:
        `pad_token` の番号が、答えを終わらせるトークンの番号と同じかどうか。他のツールが保存した
        モデルでは、保存したトークナイザと生成の設定から読みます。

    なぜ問題か:
        「`<pad>` の番号を損失から除く」作りのツールでは、答えの終わりも一緒に除かれ、書き終えない
        モデルになります。kunren は番号ではなく位置で除くので、この実験に害はありません。

    例:
        よく見る `tokenizer.pad_token = tokenizer.eos_token` のまま他のツールに渡すと、終わりを
        学ばないモデルができます。

    対処:
        このままで構いません。保存したモデルを他のツールで続けて学習するときは、使っていない
        トークンを `pad_token` にしてください。

    What it sees:
        Whether `pad_token` is one of the tokens that end an answer. Of a model that another tool
        saved, its tokenizer and generation config tell.

    Why it matters:
        Tools that leave out labels by the id of `<pad>` leave out the end of the answer too, and
        the model never stops. kunren goes by place, so this run comes to no harm.

    For example:
        `tokenizer.pad_token = tokenizer.eos_token` is often seen. Another tool then trains a model
        that does not learn its end.

    What to do:
        Nothing here. Before you train the saved model on with another tool, give it an unused
        token as `pad_token`.
    """
    if ends.pad is None or ends.pad not in ends.ids:
        return None
    name = dict(zip(ends.ids, ends.names, strict=True))[ends.pad]
    return Finding("info", text("rules_model.pad-is-eos", name=name), {"pad": ends.pad})


def zero_end(ends: Ends) -> Finding | None:
    """The token that ends an answer has an embedding of zeros.

    答えを終えるトークンの埋め込みが、すべて 0 です。

    何を見るか:
        読み込んだモデルで、答えを終わらせるトークンの埋め込みの行がすべて 0 かどうか。重みを
        読まない kunren check では分かりません。

    なぜ問題か:
        PyTorch は、パディングの番号 (padding_idx) の行を 0 で始め、入力側からは学習しません。それが
        答えの終わりと同じ番号だと、終わりを書くことを学びにくく、回答がいつまでも終わりません。

    例:
        `pad_token_id` と `eos_token_id` を同じにして一から作った Llama は、損失が下がっても、どの
        回答も上限まで書き続けました。

    対処:
        config.json の pad_token_id を、答えの終わりではない別のトークンにして、モデルを作り直して
        ください。

    What it sees:
        Whether, in the loaded model, the embedding of a token that ends an answer is all zeros.
        kunren check, which reads no weights, cannot tell.

    Why it matters:
        PyTorch begins the row of the padding token (padding_idx) with zeros and does not train it
        from the input. Where it ends answers too, a model hardly learns to write it, and answers go
        on and on.

    For example:
        A Llama made from scratch with pad_token_id equal to eos_token_id: its loss fell, and every
        answer went on to the limit.

    What to do:
        Give pad_token_id in config.json a token of its own and make the model anew.
    """
    if not ends.zero:
        return None
    names = dict(zip(ends.ids, ends.names, strict=True))
    named = text("record.list").join(names[number] for number in ends.zero)
    return Finding("warning", text("rules_model.zero-end", names=named), {"ids": list(ends.zero)})


def _trained(examples: Examples) -> Sequence[Any]:
    rows = examples.get("train", ())
    if not rows:
        raise Missing("examples")
    return rows
