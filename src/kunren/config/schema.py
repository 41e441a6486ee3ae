"""Every key of the YAML, its type, its default and what it does.

The document is validated here; the world (data, tokenizer, machine) is not: that needs the world.
``None`` as a default means "kunren chooses"; what it chose is written into the run's config.yaml.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

Int = Annotated[int, Strict()]
"""An integer as YAML writes one: ``true`` and ``"3"`` are none."""

Float = Annotated[float, Strict()]
"""A finite number as YAML writes one; an integer is one too."""

Seed = Annotated[Int, Field(ge=0, lt=2**32)]
"""The range that every random number generator in use accepts."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


class Labels(Section):
    """What counts as a label."""

    kind: Literal["text", "emoji"] = "text"
    """emoji: each label must be exactly one emoji; variation selectors are normalised."""


class TaskConfig(Section):
    """What is asked of the model."""

    kind: Literal["classify"] = "classify"
    labels: Labels = Labels()
    system: str | None = None
    """System prompt for rows that have none of their own. None: one that names the labels, if no
    row has one; an empty text: none at all."""
    template: str = "{text}"
    """What a flat row's text becomes as the user turn. Must contain ``{text}``."""

    @model_validator(mode="after")
    def _template_has_text(self) -> TaskConfig:
        if "{text}" not in self.template:
            raise ValueError("template-without-text")
        return self


class Fields(Section):
    """Names of the fields (or columns) in the data files."""

    text: str = "text"
    label: str = "label"
    messages: str = "messages"
    id: str = "id"


class Split(Section):
    """How one file is split, stratified by label. Shares must sum to 1.

    Where validation or test rows have a file of their own, their share goes to the training rows.
    """

    train: Annotated[Float, Field(gt=0, lt=1)] = 0.8
    validation: Annotated[Float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[Float, Field(gt=0, lt=1)] = 0.1
    seed: Seed = 42

    @model_validator(mode="after")
    def _sums_to_one(self) -> Split:
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("split-sum")
        return self


class DataConfig(Section):
    """Where the rows are.

    Relative paths are relative to the YAML file, those given by ``--set`` to the current folder.
    """

    train: str
    validation: str | None = None
    """Named file instead of a share of ``train``."""
    test: str | None = None
    """Named file instead of a share of ``train``."""
    fields: Fields = Fields()
    split: Split = Split()


class ModelConfig(Section):
    """Which model."""

    id: str
    """Local folder, hub id, GGUF file, or ``package:NAME``."""
    family: Literal["causal"] = "causal"
    revision: str | None = None
    """Hub revision (branch, tag or commit)."""
    trust_remote_code: bool = False


class TuningConfig(Section):
    """Which weights move."""

    kind: Literal["full", "lora"] = "full"
    train_embeddings: bool = False
    """full: also train the (tied) token embeddings."""
    r: Annotated[Int, Field(gt=0)] = 16
    """lora: rank."""
    alpha: Annotated[Float, Field(gt=0)] = 32
    """lora: scale; the update is multiplied by alpha / r."""
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    target_modules: tuple[str, ...] | None = None
    """lora: names of the linear layers; None: all linear layers of the backbone."""


class EarlyStopping(Section):
    """Stop when the chosen metric has not improved for ``patience`` evaluations."""

    patience: Annotated[Int, Field(gt=0)] = 3
    min_delta: Annotated[Float, Field(ge=0)] = 0.0


class TrainConfig(Section):
    """How the weights move."""

    epochs: Annotated[Int, Field(gt=0)] = 4
    learning_rate: Annotated[Float, Field(gt=0)] | None = None
    """None: chosen by tuning kind."""
    batch_size: Annotated[Int, Field(gt=0)] = 8
    gradient_accumulation: Annotated[Int, Field(gt=0)] = 1
    warmup: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[Float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[Float, Field(gt=0)] = 1.0
    max_length: Annotated[Int, Field(gt=0)] = 1024
    """In tokens. A longer row is an error, since cutting it would cut the answer."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the device has it, else fp32. With bf16, master weights stay fp32."""
    seed: Seed = 42
    metric: Literal["loss", "accuracy", "macro_f1"] = "accuracy"
    """What decides which checkpoint is best, on the validation rows. The later one of equals, since
    the learning rate has come down further. On few rows the loss is a poor judge: it punishes one
    confident error more than many hesitant ones."""
    early_stopping: EarlyStopping | None = EarlyStopping()
    prefix_sharing: bool = True
    """Compute tokens that all rows of a batch begin with only once."""


class EvaluateConfig(Section):
    """How the systems are scored on the test rows."""

    baselines: Literal["all"] | tuple[Literal["majority", "tfidf_logreg"], ...] = "all"
    bootstrap: Annotated[Int, Field(ge=100)] = 1000
    """Resamples for each interval."""
    seed: Seed = 42
    batch_size: Annotated[Int, Field(gt=0)] = 16
    generate: bool = True
    """Also let the model write freely, and count the answers outside the label set."""
    max_new_tokens: Annotated[Int, Field(gt=0)] = 16


class Config(Section):
    """One experiment."""

    name: Annotated[str, Field(pattern=r"^[^\s/\\.\p{Cc}][^\s/\\\p{Cc}]*$", max_length=100)]
    task: TaskConfig = TaskConfig()
    data: DataConfig
    model: ModelConfig
    tuning: TuningConfig = TuningConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
