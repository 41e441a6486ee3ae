"""What other trainers call our keys: a config brought from one is answered key by key.

Names are those of the Hugging Face Trainer and TRL, PEFT, LLaMA-Factory, Axolotl and Unsloth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, tuple[str, ...]] = {
    "name": ("experiment_name", "run_name", "project_name"),
    "model.id": (
        "base_model", "model_name_or_path", "model_name", "model_id", "model_path",
        "pretrained_model_name_or_path", "base_model_name_or_path",
    ),
    "model.revision": ("model_revision", "revision_of_model"),
    "model.add_tokens": ("new_special_tokens", "added_tokens", "special_tokens"),
    "data.train": (
        "train_file", "train_data", "train_dataset", "train_path", "data_path", "dataset",
        "datasets", "dataset_name", "dataset_path",
    ),
    "data.validation": (
        "validation_file", "eval_file", "eval_data", "eval_dataset", "valid_file", "val_file",
        "dev_file", "test_datasets",
    ),
    "data.test": ("test_file", "test_data", "test_dataset", "predict_dataset"),
    "data.split.validation": ("val_size", "val_set_size", "validation_split", "eval_split_ratio"),
    "data.split.test": ("test_size", "test_split_ratio"),
    "data.fields.text": (
        "text_column", "text_column_name", "prompt_column", "dataset_text_field",
        "field_instruction", "source_column", "sentence1_key",
    ),
    "data.fields.label": (
        "label_column", "label_column_name", "response_column", "summary_column", "target_column",
        "field_output",
    ),
    "data.fields.messages": ("messages_column", "field_messages", "conversation_column"),
    "task.system": ("system_prompt", "default_system", "system_message"),
    "task.template": ("prompt_template", "instruction_template", "source_prefix"),
    "tuning.kind": (
        "finetuning_type", "adapter", "peft_type", "peft_method", "tuning_type", "use_peft",
        "use_lora",
    ),
    "tuning.r": ("lora_r", "lora_rank", "rank"),
    "tuning.alpha": ("lora_alpha",),
    "tuning.dropout": ("lora_dropout",),
    "tuning.target_modules": ("lora_target", "lora_target_modules", "lora_modules"),
    "train.epochs": ("num_train_epochs", "num_epochs", "n_epochs", "max_epochs", "total_epochs"),
    "train.learning_rate": ("lr", "initial_lr", "peak_lr", "learning_rate_init"),
    "train.batch_size": (
        "per_device_train_batch_size", "per_gpu_train_batch_size", "micro_batch_size",
        "train_batch_size", "device_train_batch_size",
    ),
    "train.gradient_accumulation": ("gradient_accumulation_steps", "accumulate_grad_batches"),
    "train.warmup": ("warmup_ratio", "warmup_steps", "num_warmup_steps"),
    "train.schedule": ("lr_scheduler_type", "lr_scheduler", "scheduler"),
    "train.max_grad_norm": ("gradient_clipping", "gradient_clip_val", "clip_grad_norm"),
    "train.max_length": (
        "max_seq_length", "max_seq_len", "cutoff_len", "sequence_len", "seq_length", "seq_len",
        "model_max_length", "max_source_length", "block_size", "context_length",
    ),
    "train.truncate": ("truncation", "truncation_side", "truncation_strategy", "truncate_side"),
    "train.precision": (
        "bf16", "fp16", "fp32", "tf32", "half_precision", "mixed_precision", "torch_dtype", "dtype",
        "pure_bf16",
    ),
    "train.metric": ("metric_for_best_model",),
    "train.early_stopping.patience": ("early_stopping_patience",),
    "train.early_stopping.min_delta": ("early_stopping_threshold",),
    "train.loss.label_smoothing": ("label_smoothing_factor",),
    "evaluate.batch_size": ("per_device_eval_batch_size", "eval_batch_size"),
    "evaluate.decoding.beams": ("num_beams",),
    "evaluate.decoding.sample": ("do_sample",),
    "evaluate.max_new_tokens": (
        "generation_max_length", "max_target_length", "generation_max_new_tokens",
    ),
    "evaluate.seeds": ("train_seeds",),
}  # fmt: skip
"""Our key → what else it is called."""

WITHOUT: Mapping[str, tuple[str, ...]] = {
    "quantised": (
        "load_in_4bit", "load_in_8bit", "quantization_bit", "quantization_method",
        "quantization_config", "bnb_4bit_quant_type", "bnb_4bit_compute_dtype",
        "bnb_4bit_use_double_quant", "bnb_config",
    ),
    "checkpointing": ("gradient_checkpointing", "use_gradient_checkpointing",
                      "gradient_checkpointing_kwargs"),
    "output": ("output_dir", "save_path", "output_path", "logging_dir", "overwrite_output_dir"),
    "tracker": ("report_to", "use_wandb", "wandb_project", "wandb_name", "wandb_entity",
                "use_tensorboard", "mlflow_tracking_uri", "logger"),
    "each-epoch": (
        "logging_steps", "logging_strategy", "save_steps", "save_strategy", "save_total_limit",
        "eval_steps", "eval_strategy", "evaluation_strategy", "load_best_model_at_end",
        "evals_per_epoch", "saves_per_epoch", "logging_first_step", "greater_is_better",
    ),
    "steps": ("max_steps",),
    "task": ("stage", "rl", "do_train", "do_eval", "do_predict", "task_type", "type"),
    "packing": ("packing", "sample_packing", "pad_to_sequence_len", "group_by_length",
                "eval_sample_packing", "padding_free", "pad_to_max_length", "padding"),
    "answers-only": ("train_on_inputs", "train_on_prompt", "completion_only_loss",
                     "assistant_only_loss", "mask_prompt", "train_on_responses_only"),
    "chat-template": ("chat_template", "template", "conversation_template"),
    "resume": ("resume_from_checkpoint", "auto_resume_from_checkpoints"),
    "machine": (
        "deepspeed", "fsdp", "fsdp_config", "flash_attention", "flash_attn", "attn_implementation",
        "sdp_attention", "xformers_attention", "dataloader_num_workers", "num_proc",
        "preprocessing_num_workers", "dataset_num_proc", "overwrite_cache", "device_map", "device",
        "ddp_timeout", "local_rank", "use_unsloth", "use_cpu", "no_cuda", "torch_compile",
        "optim", "optimizer", "adam_beta1", "adam_beta2", "adam_epsilon", "plot_loss", "strict",
        "tokenizer_type", "model_type", "special_tokens_map", "use_fast", "disable_tqdm",
        "remove_unused_columns", "push_to_hub", "hub_model_id", "hub_strategy",
    ),
}  # fmt: skip
"""Why there is no such key here (a message ``config.foreign-<why>``) → keys of that kind."""

_OURS = {name: key for key, names in KEYS.items() for name in names}
_NONE = {name: why for why, names in WITHOUT.items() for name in names}
_ADAPTERS = {"lora": "lora", "qlora": "lora", "dora": "lora", "full": "full", "none": "full"}
_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "no": "fp32"}


def our_key(name: str) -> str | None:
    """The dotted key that another trainer's key means; None where none does."""
    return _OURS.get(name.casefold().replace("-", "_"))


def why_none(name: str) -> str | None:
    """Why a known key of another trainer has no counterpart; None: it is not known, or has one."""
    return _NONE.get(name.casefold().replace("-", "_"))


def our_value(name: str, value: Any) -> Any:
    """What a foreign key's value is under ``our_key``, where that can be told.

    Of ``bf16: true`` the key is half of what is said; a list of data sets is read as its first.
    """
    folded = name.casefold().replace("-", "_")
    key = _OURS.get(folded)
    plain = str(value).casefold().removeprefix("torch.")
    if key == "tuning.kind":
        if isinstance(value, bool):
            return "lora" if value else "full"
        return _ADAPTERS.get(plain, value)
    if key == "train.precision":
        if folded in ("bf16", "fp16", "pure_bf16") and value is True:
            return folded.removeprefix("pure_")
        if isinstance(value, bool) or plain == "auto":
            return "auto"
        return _DTYPES.get(plain, value)
    if key == "tuning.target_modules" and isinstance(value, str):
        return (
            None if plain in ("all", "all-linear") else [part.strip() for part in value.split(",")]
        )
    if key is not None and key.startswith("data.") and isinstance(value, list) and value:
        first = value[0]
        return first.get("path", first) if isinstance(first, dict) else first
    return value
