"""What the columns of other people's tables of losses are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_HELD_OUT = (
    "validation", "valid", "val", "evaluation", "eval", "dev", "holdout",
    "検証", "評価", "バリデーション", "test", "テスト",
)  # fmt: skip
_TRAIN = ("training", "train", "学習", "訓練", "トレーニング")
_TEST = ("test", "テスト")

_ALONG = {
    "step": ("step", "steps", "globalstep", "iteration", "iterations", "iter", "iters", "update",
             "updates", "ステップ", "ステップ数", "反復", "反復回数", "イテレーション"),
    "epoch": ("epoch", "epochs", "ep", "エポック", "エポック数"),
    "learning_rate": ("learningrate", "lr", "学習率"),
    "grad_norm": ("gradnorm", "gradientnorm", "勾配ノルム"),
}  # fmt: skip
_LOSS = ("loss", "crossentropyloss", "crossentropy", "celoss", "nllloss", "nll", "損失", "損失値",
         "ロス")  # fmt: skip
_METRICS: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("accuracy", "acc", "categoricalaccuracy", "sparsecategoricalaccuracy",
                 "binaryaccuracy", "正解率", "正答率", "精度"),
    "f1": ("f1", "f1score", "f値", "f1値", "f1スコア"),
    "macro_f1": ("macrof1", "f1macro", "macrof1score", "f1scoremacro", "マクロf1", "マクロf値"),
    "micro_f1": ("microf1", "f1micro", "マイクロf1"),
    "precision": ("precision", "適合率"),
    "recall": ("recall", "再現率"),
    "jaccard": ("jaccard",),
    "exact_match": ("exactmatch", "em", "完全一致率", "完全一致"),
    "auc": ("auc", "rocauc", "auroc"),
    "error_rate": ("errorrate", "誤り率"),
    "bleu": ("bleu",),
    "rouge": ("rouge",),
    "rougel": ("rougel",),
    "wer": ("wer",),
    "cer": ("cer",),
    "perplexity": ("perplexity", "ppl", "パープレキシティ"),
}  # fmt: skip

SHARES = ("accuracy", "f1", "macro_f1", "micro_f1", "precision", "recall", "jaccard", "exact_match")
"""Metrics that are shares of 1, which some write in percent."""

TRAINERS = re.compile(r"(eval_\w+|train_(runtime|samples_per_second|loss)|rewards?(/.*)?)$")
"""Columns of the Trainer's log that ``doctor.course`` reads under their own names."""

_MEANT = {
    name: ours for table in (_ALONG, {"loss": _LOSS}, _METRICS)
    for ours, names in table.items() for name in names
}  # fmt: skip

_AROUND = {
    "epoch",
    "current",
    "step",
    "avg",
    "average",
    "ave",
    "mean",
    "total",
    "平均",
    "dataloader",
    "idx",
}
"""Words that may stand around a name and do not change what it means."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN = re.compile(r"[\s_\-/.:()\[\]・]+")
_CHARTED = re.compile(r".+ - (.+?)(__(?:MIN|MAX))?")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column holds.

    Attributes:
        name: the Trainer's name of it.
        held_out: whether it is measured on rows that are held out.
        rank: of several columns of one meaning the highest is taken.
    """

    name: str
    held_out: bool
    rank: tuple[float, ...]


def plain(name: str) -> str:
    """A name or a cell in half-width characters, without spaces around it."""
    return unicodedata.normalize("NFKC", name).strip()


def meaning(name: str) -> Meaning | None:
    """What a column of that name holds; None where that is not clear."""
    name = plain(name)
    if charted := _CHARTED.fullmatch(name):  # a chart of W&B: "run - train/loss", and its range
        if charted.group(2):
            return None
        name = charted.group(1)
    words = [word for word in _BETWEEN.split(_CAMEL.sub("_", name).lower()) if word]
    if words[:1] == ["lr"]:  # Lightning adds the optimiser's name: "lr-AdamW"
        return Meaning("learning_rate", False, (len(words) == 1,))
    kept = [word for word in words if word not in _AROUND and not word.isdecimal()]
    found = _split("".join(words)) or (_split("".join(kept)) if kept else None)
    if found is None:
        return None
    rows, meant = found
    if meant in _ALONG:
        return Meaning(meant, False, ("global" in words, rows not in _HELD_OUT))
    if meant == "loss" and rows not in _HELD_OUT:
        return Meaning("loss", False, (rows in _TRAIN,))
    if rows in _TRAIN:
        return None
    rank = (rows in _HELD_OUT, rows not in _TEST, "step" not in words)
    return Meaning(f"eval_{meant}", True, rank)


def speaks_of_loss(name: str) -> bool:
    """Whether a column may be a loss, though it is not clear which."""
    return any(word in plain(name).lower() for word in ("loss", "損失", "ロス"))


def _split(name: str) -> tuple[str, str] | None:
    """The rows that a name is about, "" where it says none, and what it measures."""
    if name in _MEANT:
        return "", _MEANT[name]
    for rows in (*_HELD_OUT, *_TRAIN):
        for rest in (name.removeprefix(rows), name.removesuffix(rows)):
            if rest != name and rest in _MEANT:
                return rows, _MEANT[rest]
    return None
