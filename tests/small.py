"""A small experiment on the tiny model, for tests that need a whole run."""

from __future__ import annotations

import json
from pathlib import Path

EMOJI = ("😀", "😢", "😡")
TEXTS = {
    "😀": ("うれしい", "たのしい", "いいね", "やった", "さいこう", "すてき", "わーい", "かった"),
    "😢": ("かなしい", "さみしい", "ないた", "つらい", "まけた", "おわった", "なみだ", "しくしく"),
    "😡": (
        "おこった",
        "ゆるせない",
        "むかつく",
        "ひどい",
        "ふざけるな",
        "いいかげん",
        "もう",
        "ばか",
    ),
}


def write_experiment(folder: Path, model: Path) -> Path:
    """Write a YAML and its 24 rows into ``folder``; returns the YAML."""
    rows = [{"text": text, "label": emoji} for emoji in EMOJI for text in TEXTS[emoji]]
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(data, encoding="utf-8")
    config = folder / "tiny.yaml"
    config.write_text(
        "name: tiny\n"
        "task: {labels: {kind: emoji}}\n"
        "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.25, test: 0.25}}\n"
        f"model: {{id: {model}}}\n"
        "train: {epochs: 2, learning_rate: 1.0e-3}\n"
        "evaluate: {bootstrap: 100, max_new_tokens: 3}\n",
        encoding="utf-8",
    )
    return config
