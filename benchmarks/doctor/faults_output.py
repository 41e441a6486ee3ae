"""Faults that show in what the model answers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Fault
from benchmarks.doctor.rows import EMOJI, TOPICS, even, posts, with_emoji

_SAID = {
    "料理": "それはたべもののはなしですね。",
    "天気": "てんきのことをかいています。",
    "運動": "からだをうごかすわだいです。",
    "乗り物": "のりもののおもいででしょう。",
}
_ENGLISH = {
    "料理": "This is about food and cooking.",
    "天気": "This one talks of the weather.",
    "運動": "It is a story of some sport.",
    "乗り物": "It tells of a ride or a trip.",
}


def collapsed(folder: Path) -> Experiment:
    """A model whose embeddings are random and stay so: one answer to everything."""
    rows = with_emoji(even(400))
    return experiment(
        folder, rows, "gemma", task={"labels": {"kind": "emoji"}},
        tuning={"train_embeddings": False}, train={"epochs": 3},
    )  # fmt: skip


def leaning(folder: Path) -> Experiment:
    """One label counts 4 times as much as the others, and is answered far too often."""
    loss = {"class_weights": {"天気": 4.0}}
    return experiment(folder, even(480, noise=0.2), train={"loss": loss})


def hardly_trained(folder: Path) -> Experiment:
    return experiment(folder, even(480), train={"epochs": 1, "learning_rate": 2e-4})


def free_answers(folder: Path) -> Experiment:
    """Labels that the model has to write and has hardly learnt to."""
    return experiment(folder, with_emoji(even(300)), "gemma", task={"labels": {"kind": "emoji"}})


def endless_text(folder: Path) -> Experiment:
    rows = [row | {"label": _SAID[row["label"]]} for row in even(240)]
    train = {"epochs": 1, "learning_rate": 1e-3}
    return experiment(folder, rows, "gemma", task={"kind": "answer"}, train=train)


def in_english(folder: Path) -> Experiment:
    """The training file is of another language than the answers that are wanted."""
    rows = even(480)
    train = [row | {"label": _ENGLISH[row["label"]]} for row in rows[:360]]
    rest = [row | {"label": _SAID[row["label"]]} for row in rows[360:]]
    sides = {"train": train, "validation": rest[:40], "test": rest[40:]}
    settings = {"epochs": 4, "metric": "loss", "early_stopping": None, "schedule": "constant"}
    return experiment(
        folder, sides, "t5", task={"kind": "answer"}, train=settings,
        evaluate={"max_new_tokens": 40},
    )  # fmt: skip


def mostly_one(folder: Path) -> Experiment:
    """92 % of one label: 92 % right without any reading."""
    rows = posts({"料理": 400, "天気": 14, "運動": 12, "乗り物": 10}, noise=0.0)
    return experiment(folder, rows, train={"epochs": 3})


def stuck_chats(folder: Path) -> Experiment:
    """Chats whose answers do not change in training, but should in use."""
    names = list(TOPICS)

    def chat(number: int, topics: list[str], seed: int) -> dict[str, object]:
        turns = []
        for n, topic in enumerate(topics):
            said = posts({topic: 1}, 31 * number + n + seed, noise=0.0)[0]
            answer = EMOJI[topics[0] if not seed else topic]
            turns += [{"role": "user", "content": said["text"]},
                      {"role": "assistant", "content": answer}]  # fmt: skip
        return {"messages": turns}

    train = [chat(n, [names[n % 4]] * 4, 0) for n in range(120)]
    rest = [chat(n, [names[(n + turn) % 4] for turn in range(4)], 5000) for n in range(60)]
    sides = {"train": train, "validation": rest[:15], "test": rest[15:]}
    return experiment(
        folder, sides, "gemma", task={"labels": {"kind": "emoji"}},
        train={"epochs": 6, "max_length": 512, "learning_rate": 5e-3},
    )  # fmt: skip


CASES: tuple[Fault, ...] = (
    Fault("mode collapse", "random embeddings that stay frozen", ("mode-collapse",), "during",
          collapsed),
    Fault("soft collapse", "one label counts 4 times as much", ("soft-collapse",), "after",
          leaning),
    Fault("below trivial", "one epoch at a low rate", ("below-trivial",), "after", hardly_trained),
    Fault("answers outside the set", "emoji that are written freely, and hardly learnt",
          ("out-of-set",), "after", free_answers),
    Fault("answers that never end", "one epoch, and sentences are written",
          ("never-ending-answers",), "after", endless_text),
    Fault("another language", "trained on English answers, asked for Japanese ones",
          ("other-language",), "after", in_english),
    Fault("nearly all one label", "92 % of the rows", ("dominant-label", "majority-trap"), "before",
          mostly_one),
    Fault("one answer a chat", "trained on chats whose answers never change",
          ("turn-collapse",), "after", stuck_chats),
)  # fmt: skip
