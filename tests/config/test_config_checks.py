"""Pairs of settings that cannot be meant together."""

from __future__ import annotations

from pathlib import Path

import pytest

from kunren.config.load import load
from kunren.errors import InputError
from kunren.messages import use_language

HEAD = "name: x\ndata: {train: rows.jsonl}\n"

WRONG = {
    "documents without questions": (
        "model: {id: m}\ntask: {kind: tag}\nevaluate: {few_shot: 0}\n",
        2,
        ["data.documents", "tag"],
    ),
    "examples for a model that reads none": (
        "model: {id: m, family: seq2seq}\nevaluate: {baselines: [few_shot, majority]}\n",
        4,
        ["few_shot", "seq2seq", "causal"],
    ),
    "examples without a number": (
        "model: {id: m}\nevaluate: {baselines: [few_shot], few_shot: 0}\n",
        4,
        ["evaluate.few_shot", "1 以上"],
    ),
    "retrieval without documents": (
        "model: {id: m}\ntask: {kind: answer}\nevaluate: {baselines: [retrieval]}\n",
        5,
        ["data.documents"],
    ),
    "retrieval of labels": (
        "model: {id: m}\nevaluate: {baselines: [retrieval]}\n",
        4,
        ["retrieval", "classify"],
    ),
    "encoder cannot write": (
        "model: {id: m, family: encoder}\ntask: {kind: answer}\n",
        3,
        ["文章を書けない", "causal か seq2seq"],
    ),
    "tokens for an encoder": (
        "model: {id: m, family: encoder, add_tokens: labels}\n",
        3,
        ["model.add_tokens", "分類ヘッド"],
    ),
    "lora on scratch": ("model: {id: 'scratch:t5-small'}\ntuning: {kind: lora}\n", 4, ["full に"]),
    "frozen scratch": (
        "model: {id: 'scratch:t5-small'}\ntuning: {train_embeddings: false}\n",
        4,
        ["埋め込みは乱数"],
    ),
    "labels of free text": (
        "model: {id: m}\ntask:\n  kind: answer\n  labels: {top: 5}\n",
        6,
        ["task.labels.top", "ラベルがない"],
    ),
    "no labels to add": (
        "task: {kind: answer}\nmodel: {id: m, add_tokens: labels}\n",
        4,
        ["一覧で"],
    ),
    "hierarchy of a set": (
        "model: {id: m}\ntask: {kind: tag, labels: {hierarchy: /}}\n",
        4,
        ["classify の文字のラベル"],
    ),
    "empty separator": (
        "model: {id: m}\ntask: {kind: tag, labels: {separator: ''}}\n",
        4,
        ["区切りの文字"],
    ),
    "separator of one label": (
        "model: {id: m}\ntask: {labels: {separator: ';'}}\n",
        4,
        ["task.kind: tag"],
    ),
    "skin tones of text": (
        "model: {id: m}\ntask: {labels: {merge_skin_tones: true}}\n",
        4,
        ["labels.kind: emoji"],
    ),
    "allowed and banned": (
        "model: {id: m}\ntask: {labels: {allow: [a, b], ban: [b]}}\n",
        4,
        ["allow と ban", "b"],
    ),
    "focal and smoothing": (
        "model: {id: m}\ntrain:\n  loss: {focal_gamma: 2.0, label_smoothing: 0.1}\n",
        5,
        ["同時に使えません", "打ち消します"],
    ),
    "negative weight": (
        "model: {id: m}\ntrain: {loss: {class_weights: {a: -1}}}\n",
        4,
        ["0 以上"],
    ),
    "no weight": ("model: {id: m}\ntrain: {loss: {class_weights: {a: 0}}}\n", 4, ["すべて 0"]),
    "metric of another task": (
        "model: {id: m}\ntrain: {metric: jaccard}\n",
        4,
        ["train.metric", "jaccard", "accuracy / macro_f1 / loss"],
    ),
    "baseline of another task": (
        "model: {id: m}\nevaluate: {baselines: [majority, constant]}\n",
        4,
        ["constant", "majority / nearest / tfidf_logreg"],
    ),
    "half a step": ("model: {id: m}\ntrain: {warmup: 2.5}\n", 4, ["整数", "2.5"]),
    "levels without hierarchy": (
        "model: {id: m}\ntrain: {loss: {level_weight: 1.0}}\n",
        4,
        ["task.labels.hierarchy"],
    ),
    "beams and sample": (
        "model: {id: m}\nevaluate: {decoding: {beams: 4, sample: true}}\n",
        4,
        ["evaluate.also"],
    ),
    "temperature without sample": (
        "model: {id: m}\nevaluate: {decoding: {temperature: 0.5}}\n",
        4,
        ["sample: true"],
    ),
    "misspelt in a named decoding": (
        "model: {id: m}\ntask: {kind: tag}\nevaluate:\n  also:\n    s: {smaple: true}\n",
        7,
        ["evaluate.also.s.sample"],
    ),
    "wrong in a named decoding": (
        "model: {id: m}\ntask: {kind: tag}\nevaluate:\n  also:\n    s: {beams: 0}\n",
        7,
        ["evaluate.also.s.beams", "0"],
    ),
    "reserved name": (
        "model: {id: m}\ntask: {kind: tag}\nevaluate: {also: {tuned: {sample: true}}}\n",
        5,
        ["tuned", "ほかの名前"],
    ),
    "other ways of choosing": (
        "model: {id: m}\nevaluate: {also: {s: {sample: true}}}\n",
        4,
        ["evaluate.also", "classify"],
    ),
    "BERTScore by random weights": (
        "model: {id: m}\ntask: {kind: answer}\nevaluate: {bertscore: 'scratch:bert-small'}\n",
        5,
        ["evaluate.bertscore", "scratch:bert-small"],
    ),
    "BERTScore of labels": (
        "model: {id: m}\nevaluate: {bertscore: m}\n",
        4,
        ["evaluate.bertscore", "classify"],
    ),
}


def complaint(folder: Path, content: str) -> list[str]:
    path = folder / "experiment.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    return [str(problem) for problem in caught.value.problems]


def head_of(case: str) -> str:
    return HEAD.replace("}", ", documents: docs}") if case.startswith("documents") else HEAD


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_together_is_told_where_it_stands(tmp_path: Path, case: str) -> None:
    text, line, said = WRONG[case]
    found = complaint(tmp_path, head_of(case) + text)
    here = [message for message in found if f"experiment.yaml:{line}: " in message]
    assert any(all(part in message for part in said) for message in here), found


@pytest.mark.parametrize("case", WRONG)
def test_it_is_told_in_english_too(tmp_path: Path, case: str) -> None:
    text, line, _ = WRONG[case]
    use_language("en")
    try:
        found = complaint(tmp_path, head_of(case) + text)
    finally:
        use_language("ja")
    here = [message for message in found if f"experiment.yaml:{line}: " in message]
    assert here
    assert not any(character in message for message in here for character in "はがをに")


def test_all_of_them_are_told_at_once(tmp_path: Path) -> None:
    found = complaint(
        tmp_path,
        HEAD + "model: {id: m, family: encoder, add_tokens: labels}\n"
        "task: {kind: answer}\ntrain: {warmup: 1.5, metric: jaccard}\n",
    )
    assert len(found) == 5


def test_cross_validation_takes_no_test_file(tmp_path: Path) -> None:
    head = "name: x\nmodel: {id: m}\ndata: {train: a.csv, test: b.csv}\n"
    (said,) = complaint(tmp_path, head + "evaluate: {cv: 5}\n")
    assert "experiment.yaml:4: " in said
    assert "data.test を消す" in said
    (said,) = complaint(tmp_path, HEAD + "model: {id: m}\nevaluate: {cv: 1}\n")
    assert "evaluate.cv" in said
    assert "2 ≤ cv" in said


def test_sets_may_be_written_in_several_ways(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        HEAD + "model: {id: m}\ntask: {kind: tag}\nevaluate:\n  decoding: {beams: 4}\n"
        "  also: {sample: {sample: true, temperature: 0.7, top_k: 50, top_p: 0.95}}\n"
        "train: {loss: {class_weights: {甲: 2, 乙: 0.5}}}\n",
        encoding="utf-8",
    )
    config = load(path).config
    assert config.evaluate.also["sample"].top_k == 50
    assert config.train.loss.class_weights == {"甲": 2, "乙": 0.5}
