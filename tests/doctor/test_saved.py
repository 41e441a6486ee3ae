"""Models and adapters that PEFT and the Trainer really saved, with and without a fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_models import save_tiny

from kunren.doctor import foreign
from kunren.doctor.look import look
from kunren.errors import InputError
from kunren.messages import use_language

EMOJI = ["🦥", "🧁"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llama", tmp_path_factory.mktemp("base") / "llama")


def adapter(base: Path, folder: Path, tokens: list[str], resize: bool = True, **lora: Any) -> Path:
    """An adapter of a model that was taught tokens, as PEFT saves it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    if tokens:
        tokenizer.add_tokens(tokens)
    if resize:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    new = [tokenizer.convert_tokens_to_ids(token) for token in tokens]
    settings = {"target_modules": ["q_proj", "v_proj"]} | lora
    if settings.pop("rows", False):
        settings["trainable_token_indices"] = {"embed_tokens": new}
    adapted = get_peft_model(model, LoraConfig(r=2, task_type="CAUSAL_LM", **settings))
    adapted.save_pretrained(str(folder))
    tokenizer.save_pretrained(folder)
    return folder


def found(path: Path, **asked: Any) -> dict[str, str]:
    """Slug → severity."""
    use_language("ja")
    return {f["slug"]: f["severity"] for f in look(path, **asked)["findings"]}


def skipped(path: Path) -> dict[str, str]:
    return {rule["slug"]: rule["reason"] for rule in look(path)["skipped"]}


def says(path: Path, slug: str) -> str:
    messages: dict[str, str] = {f["slug"]: f["message"] for f in look(path)["findings"]}
    return messages[slug]


UNSUITED = {"vocabulary-mismatch": "warning"}
"""Every adapter of a resized model has to be told to the base before it is put on."""


def test_an_adapter_that_adds_nothing_has_no_fault(base: Path, tmp_path: Path) -> None:
    looked = look(adapter(base, tmp_path / "a", []))
    assert {f["slug"] for f in looked["findings"]} <= {"no-chat-template"}
    quiet = {rule["slug"] for rule in looked["quiet"]}
    assert {"vocabulary-mismatch", "untrained-tokens", "unsaved-tokens"} <= quiet
    assert "adapter_config.json" in looked["notes"][0]


def test_embeddings_that_are_saved_but_were_not_trained(base: Path, tmp_path: Path) -> None:
    path = adapter(base, tmp_path / "a", EMOJI)
    faults = found(path)
    assert without_template(faults) == UNSUITED | {"untrained-tokens": "warning"}
    assert "🦥 🧁" in says(path, "untrained-tokens")
    rows = json.loads((base / "config.json").read_text())["vocab_size"]
    assert f"{rows + 2} 行" in says(path, "vocabulary-mismatch")
    assert f"{rows} 行" in says(path, "vocabulary-mismatch")
    assert not loads(base, path, rows)
    assert loads(base, path, rows + 2)  # as the message says


def loads(base: Path, adapter: Path, rows: int) -> bool:
    """Whether an adapter can be put onto its base, when that is given so many rows."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(rows, mean_resizing=False)
    try:
        PeftModel.from_pretrained(model, str(adapter))
    except RuntimeError as error:
        return "size mismatch" not in str(error)
    return True


def without_template(faults: dict[str, str]) -> dict[str, str]:
    return {slug: grade for slug, grade in faults.items() if slug != "no-chat-template"}


@pytest.mark.parametrize(
    "lora",
    [
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"rows": True},
        {"target_modules": ["embed_tokens", "q_proj"]},
    ],
    ids=["whole", "rows", "lora"],
)
def test_embeddings_that_were_trained(base: Path, tmp_path: Path, lora: dict[str, Any]) -> None:
    assert without_template(found(adapter(base, tmp_path / "a", EMOJI, **lora))) == UNSUITED


def test_embeddings_that_are_not_saved(base: Path, tmp_path: Path) -> None:
    path = adapter(base, tmp_path / "a", EMOJI, resize=False)
    assert without_template(found(path)) == {"unsaved-tokens": "critical"}
    assert "2 個のトークンのうち" in says(path, "unsaved-tokens")


def test_padding_alone_has_nothing_to_learn(base: Path, tmp_path: Path) -> None:
    path = adapter(base, tmp_path / "a", ["<|pad|>"])
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps(config | {"pad_token": "<|pad|>"}))
    assert without_template(found(path)) == UNSUITED


def test_without_the_base_nothing_is_said_of_added_tokens(base: Path, tmp_path: Path) -> None:
    path = adapter(base, tmp_path / "a", EMOJI)
    config = json.loads((path / "adapter_config.json").read_text())
    elsewhere = {"base_model_name_or_path": "/home/someone/models/base"}
    (path / "adapter_config.json").write_text(json.dumps(config | elsewhere))
    assert without_template(found(path)) == {}
    reasons = skipped(path)
    for slug in ("vocabulary-mismatch", "untrained-tokens", "unsaved-tokens"):
        assert "/home/someone/models/base" in reasons[slug]


def test_weights_that_cannot_be_read_are_not_taken_for_missing_ones(
    base: Path, tmp_path: Path
) -> None:
    path = adapter(base, tmp_path / "a", EMOJI)
    for content in (b"version https://git-lfs.github.com/spec/v1\n", b"", b"\xff" * 64):
        (path / "adapter_model.safetensors").write_bytes(content)
        assert without_template(found(path)) == {}
        assert "adapter_model.safetensors" in skipped(path)["unsaved-tokens"]


def test_files_that_are_no_tokenizer_are_passed_over(base: Path, tmp_path: Path) -> None:
    path = adapter(base, tmp_path / "a", EMOJI)
    for content in (
        '{"added_tokens": 3}',
        '{"model": {"vocab": [[]]}}',
        "[]",
        "{",
        '{"model": {"vocab": [1, 2]}}',
    ):
        (path / "tokenizer.json").write_text(content)
        assert without_template(found(path)) == UNSUITED
    (path / "adapter_config.json").write_text('{"modules_to_save": 5, "target_modules": 1}')
    assert without_template(found(path)) == {}


def test_a_whole_model(base: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(base, tmp_path / "whole"))
    assert without_template(found(path)) == {}
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    tokenizer.add_tokens(EMOJI)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = "{{ messages[0].content }}"
    tokenizer.save_pretrained(path)
    assert found(path) == {"vocabulary-mismatch": "critical", "pad-is-eos": "info"}
    assert "🦥 🧁" in says(path, "vocabulary-mismatch")
    assert "DataCollatorForLanguageModeling" in says(path, "pad-is-eos")


def test_chat_templates(base: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(base, tmp_path / "whole"))
    (path / "chat_template.jinja").unlink(missing_ok=True)
    assert found(path, select=["no-chat-template"]) == {"no-chat-template": "info"}
    (path / "chat_template.jinja").write_text("{{ messages }}")
    assert found(path, select=["no-chat-template"]) == {}


def test_a_classifier_writes_nothing(tmp_path: Path) -> None:
    path = save_tiny("bert", tmp_path / "bert")
    assert found(path) == {}
    assert {"pad-is-eos", "no-chat-template"} <= set(skipped(path))


def trained(base: Path, folder: Path, save_tokenizer: bool = True) -> Path:
    """An output folder of the Trainer: two epochs, checkpoints, a model card."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    row = {"input_ids": torch.tensor([4, 5, 6]), "labels": torch.tensor([4, 5, 6])}
    arguments = TrainingArguments(
        str(folder), num_train_epochs=2, per_device_train_batch_size=2, logging_steps=1,
        eval_strategy="epoch", save_strategy="epoch", learning_rate=1e-3, report_to=[],
        use_cpu=True, disable_tqdm=True, gradient_accumulation_steps=2,
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=[row] * 8, eval_dataset=[row] * 3,
        processing_class=tokenizer if save_tokenizer else None,
    )  # fmt: skip
    result = trainer.train()
    trainer.save_model()
    trainer.save_metrics("train", result.metrics | {"train_samples": 8})
    trainer.save_metrics("eval", trainer.evaluate() | {"eval_samples": 3})
    trainer.create_model_card()
    return folder


def test_an_output_folder_of_the_trainer(base: Path, tmp_path: Path) -> None:
    path = trained(base, tmp_path / "out")
    assert (path / "training_args.bin").is_file()  # left alone
    read = foreign.read(path)
    assert (read.course.rows, read.course.evaluation_rows) == (8, 3)
    assert read.course.settings["train.gradient_accumulation"] == 2
    assert read.course.settings["train.learning_rate"] == 1e-3
    assert read.course.vocabulary == json.loads((base / "config.json").read_text())["vocab_size"]
    looked = look(path)
    quiet = {rule["slug"] for rule in looked["quiet"]}
    assert {"vocabulary-mismatch", "non-finite"} <= quiet
    assert "trainer_state.json" in looked["notes"][0]
    assert any("tokenizer.json" in note for note in looked["notes"])
    states = [p / "trainer_state.json" for p in path.glob("checkpoint-*")]
    evaluations = read.course.evaluations
    for state in [path / "trainer_state.json", *states]:
        state.unlink(missing_ok=True)
    card = foreign.read(path)  # the card has the same table, rounded
    assert [one.loss for one in card.course.evaluations] == pytest.approx(
        [one.loss for one in evaluations], abs=1e-4
    )
    assert [one.step for one in card.course.evaluations] == [one.step for one in evaluations]
    assert "README.md" in card.notes[0]
    assert foreign.read(path / "README.md").course.evaluations == card.course.evaluations


def test_a_cards_training_loss_is_not_counted_twice(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "# out\n\n### Training results\n\n"
        "| Training Loss | Epoch | Step | Validation Loss | Accuracy |\n"
        "|:-------------:|:-----:|:----:|:---------------:|:--------:|\n"
        "| No log        | 1.0   | 100  | 1.2             | 0.5      |\n"
        "| 1.1           | 2.0   | 200  | 1.0             | 0.6      |\n"
        "| 1.1           | 3.0   | 300  | 0.9             | 0.7      |\n"
        "\n### Framework versions\n\n| a | b |\n"
    )
    course = foreign.read(tmp_path).course
    assert [point.value for point in course.loss] == [1.1]
    assert [one.values["accuracy"] for one in course.evaluations] == [0.5, 0.6, 0.7]


def test_an_ordinary_readme_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# about\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    for path, code in ((tmp_path, "doctor.nothing-known"), (tmp_path / "README.md",
                       "doctor.unknown-file")):  # fmt: skip
        with pytest.raises(InputError) as error:
            look(path)
        assert error.value.problems[0].code == code
        assert "README.md" in str(error.value)
