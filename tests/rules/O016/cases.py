from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import metrics


def fires() -> list[Case]:
    dead = {
        "base": {"bleu": 0.2, "rougeL": 0.0, "bertscore": 0.0},
        "tuned": {"bleu": 0.6, "rougeL": 0.0, "bertscore": 0.0},
    }
    lost = {
        "base": {"chrf": 28.0, "char_f1": 0.4, "exact_match": 0.0},
        "tuned": {"chrf": 0.0, "char_f1": 0.0, "exact_match": 0.0},
    }
    alone = {"tuned": {"rougeL": 0.0, "bleu": 0.3}}
    return [
        Case(
            "zero everywhere",
            {"metrics": metrics(dead)},
            "warning",
            ("rougeL、bertscore", "正解どうし"),
        ),
        Case("-100 %", {"metrics": metrics(lost)}, "critical", ("chrf、char_f1", "-100 %")),
        Case(
            "only the tuned model was scored", {"metrics": metrics(alone)}, "warning", ("rougeL",)
        ),
    ]


def quiet() -> list[Case]:
    exact = {
        "base": {"chrf": 28.0, "exact_match": 0.0},
        "tuned": {"chrf": 31.0, "exact_match": 0.0},
    }
    rates = {"tuned": {"accuracy": 0.9, "out_of_set_rate": 0.0, "eval_loss": 0.0}}
    weak = {"base": {"accuracy": 0.02}, "tuned": {"accuracy": 0.0}, "majority": {"accuracy": 0.1}}
    few = metrics({"tuned": {"accuracy": 0.0}, "base": {"accuracy": 0.0}}, rows=6)
    neither = {"kanji": {"unit": "share", "better": None}}
    shares = metrics({"tuned": {"kanji": 0.0, "chrf": 12.0}}, metrics=neither)
    chance = {"tuned": {"mcc": 0.0, "accuracy": 0.5, "exact_ratio": 0.0, "diversity": 0.0}}
    return [
        Case("zero as by chance, and no variety", {"metrics": metrics(chance)}),
        Case("no answer is exactly gold", {"metrics": metrics(exact)}),
        Case("zero is best", {"metrics": metrics(rates)}),
        Case("one right before, none after", {"metrics": metrics(weak, rows=40)}),
        Case(
            "six rows", {"metrics": few | {"systems": few["systems"] | metrics(rates)["systems"]}}
        ),
        Case("neither way is better", {"metrics": shares}),
    ]


def lacks() -> list[Case]:
    return [
        Case("not evaluated", {}),
        Case("nothing was scored", {"metrics": metrics({"tuned": {"accuracy": None}})}),
    ]
