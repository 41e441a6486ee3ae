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
    """What counts as a label, and which rows are kept for theirs."""

    kind: Literal["text", "emoji"] = "text"
    """emoji: each label must be exactly one emoji; variation selectors are normalised."""
    hierarchy: str | None = None
    """classify: what separates the levels of a label that is a path (``/`` in ``国際/政治``); each
    level is then scored too."""
    separator: str | None = None
    """tag: what separates the labels of one row, in full or half width. None: nothing for emoji (a
    run of them is split by itself); for text what the column as a whole shows (``;`` ``|`` ``/``, a
    tab, a space), else a comma (``,`` ``、`` ``，``). A row may also hold a list."""
    none: Annotated[str, Field(min_length=1)] | None = None
    """tag: what a model writes where no label applies. None: なし, or 該当なし where that is a
    label, if any row has an empty set; else a set is never empty."""
    whole_numbers: bool | None = None
    """classify, tag: ``1.0`` is the label ``1``. None: where all labels that are numbers are whole,
    as where pandas wrote a column of integers with gaps, and where a number stands in both ways."""
    threshold: Float = 0.0
    """Where ``data.fields.label`` names several columns: a row has the labels whose value is above
    this."""
    top: Annotated[Int, Field(gt=0)] | None = None
    """Keep only rows whose labels are all among this many most frequent ones."""
    allow: tuple[str, ...] | None = None
    """Keep only rows whose labels are all in this list."""
    ban: tuple[str, ...] = ()
    """tag: take these labels out of every row; a row with none left goes. classify: such rows
    go."""
    min_rows: Annotated[Int, Field(gt=0)] = 1
    """Keep only rows whose labels each have at least this many rows."""
    merge_skin_tones: bool = False
    """emoji: 👍🏻 and 👍🏿 both count as 👍."""


class TaskConfig(Section):
    """What is asked of the model."""

    kind: Literal["classify", "tag", "answer"] = "classify"
    """classify: one label. tag: a set of labels. answer: free text."""
    labels: Labels = Labels()
    system: str | None = None
    """System prompt for rows that have none of their own. None: one that names the labels, if no
    row has one and the model's family reads instructions; an empty text: none at all."""
    template: str = "{text}"
    """What a flat row's text becomes as the user turn: a text with ``{text}`` and the names of
    other columns in braces (``{{`` for a brace), or the name of a ready one (``guided-steps``),
    which the run's config.yaml then shows in full."""


class Fields(Section):
    """Names of the fields (or columns) in the data files.

    Where text, label and messages are left as they are and not there, the forms in which people
    keep data are recognised: ShareGPT, Alpaca, prompt and completion, and so on.
    """

    text: str = "text"
    label: str | Annotated[tuple[str, ...], Field(min_length=1)] = "label"
    """classify, tag: also a list of columns, one a label: a row has those whose value is above
    ``task.labels.threshold``."""
    messages: str = "messages"
    """A list of turns; one that is written out as JSON will do."""
    system: str | None = "system"
    """The system prompt of a row that has none in its messages, where there is such a column and
    the template does not name it. None: there is none."""
    weight: str | None = None
    """How much the loss counts a row. None: all the same."""
    id: str = "id"
    group: str | None = None
    """What rows belong to (a user, a document, a conversation): rows of a group stay on one side of
    a split. A row whose value is empty or null belongs to none. None: rows have no groups."""


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
    documents: str | tuple[str, ...] | None = None
    """answer: texts that answers can be looked up in (``.md``, ``.txt``, or ``.jsonl`` with
    ``text`` and perhaps ``title``): files, or folders of them. The baseline ``retrieval`` gives the
    untuned model the passages that are most like each question."""
    fields: Fields = Fields()
    split: Split = Split()
    strip_marks: bool = False
    """Take marks of chat templates (``<end_of_turn>``, ``<|im_end|>``, ``[INST]`` and the like) out
    of texts and answers when they are read."""
    overlap: Literal["error", "drop"] = "error"
    """Rows, question and answer, that stand in two named files. ``drop``: they are taken out of the
    training rows (of the validation rows, where the other file is the test file), and counted."""


class ModelConfig(Section):
    """Which model."""

    id: str
    """Local folder, hub id, GGUF file, ``package:NAME``, or ``scratch:NAME`` (not pretrained)."""
    family: Literal["causal", "seq2seq", "encoder"] | None = None
    """How the model reads a row and answers. None: as its architecture says; a causal model may
    also be used as an encoder, with a classification head."""
    revision: str | None = None
    """Hub revision (branch, tag or commit)."""
    trust_remote_code: bool = False
    add_tokens: Literal["labels"] | tuple[str, ...] = ()
    """Tokens to add to the vocabulary where it lacks them: ``labels``, or a list."""


class TuningConfig(Section):
    """Which weights move."""

    kind: Literal["full", "lora"] = "full"
    train_embeddings: bool | None = None
    """full: also train the (tied) token embeddings. None: where tokens were added or the model was
    not pretrained."""
    r: Annotated[Int, Field(gt=0)] = 16
    """lora: rank."""
    alpha: Annotated[Float, Field(gt=0)] = 32
    """lora: scale; the update is multiplied by alpha / r."""
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    target_modules: tuple[str, ...] | None = None
    """lora: names of the linear layers; None: all linear layers of the backbone."""


class EarlyStopping(Section):
    """Stop when the chosen metric has not improved for ``patience`` evaluations."""

    patience: Annotated[Int, Field(gt=0)] | None = None
    """None: a quarter of the epochs, at least 3. A metric of few rows often stands still for some
    epochs in the beginning, and longer where the warm-up is."""
    min_delta: Annotated[Float, Field(ge=0)] = 0.0


class LossConfig(Section):
    """What is minimised.

    The loss on validation rows is always the plain one, so that runs with different settings can be
    compared by it.
    """

    focal_gamma: Annotated[Float, Field(ge=0)] = 0.0
    """Focal loss (Lin et al. 2017): easy tokens or labels count less; 0 is plain cross-entropy."""
    label_smoothing: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all tokens or labels."""
    class_weights: Literal["balanced"] | dict[str, Float] | None = None
    """How much each label counts: ``balanced`` (inversely to its frequency in the training rows),
    or a weight a label; labels that are not named count 1."""
    level_weight: Annotated[Float, Field(ge=0)] = 0.0
    """encoder, hierarchy: weight of the loss of each upper level (the sum of its labels'
    probabilities), beside the loss of the whole path."""

    @model_validator(mode="after")
    def _focal_or_smoothing(self) -> LossConfig:
        if self.focal_gamma and self.label_smoothing:
            raise ValueError("focal-and-smoothing")
        if isinstance(self.class_weights, dict) and min(self.class_weights.values(), default=1) < 0:
            raise ValueError("negative-class-weight")
        return self


Metric = Literal[
    "loss", "accuracy", "macro_f1", "jaccard", "micro_f1", "top1_share", "exact_match", "char_f1",
    "chrf",
]  # fmt: skip
"""What is measured on the validation rows after each epoch, over all tasks."""

LOWER_IS_BETTER = frozenset({"loss", "top1_share"})


def sign(metric: str | None) -> int:
    """What a value of a metric is multiplied by so that higher is better."""
    return -1 if metric in LOWER_IS_BETTER else 1


Truncation = Literal["end", "start", "middle"]
"""What is taken out of a text that is too long."""


class TrainConfig(Section):
    """How the weights move."""

    epochs: Annotated[Int, Field(gt=0)] = 4
    learning_rate: Annotated[Float, Field(gt=0)] | None = None
    """None: chosen by tuning kind."""
    batch_size: Annotated[Int, Field(gt=0)] = 8
    gradient_accumulation: Annotated[Int, Field(gt=0)] = 1
    warmup: Annotated[Float, Field(ge=0)] = 0.1
    """Share of the steps if below 1, else number of steps."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[Float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[Float, Field(gt=0)] = 1.0
    max_length: Annotated[Int, Field(gt=0)] = 1024
    """In tokens, or as many as the model reads, if these are fewer. A longer row is an error; see
    ``truncate``."""
    truncate: Truncation | None = None
    """What is taken out of rows that are longer: the ``end``, ``start`` or ``middle`` of what they
    ask, in training, evaluation and use alike. Never of the answer, the system prompt or the
    template. None: such a row is an error."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 where the device has it, else fp32. With bf16 and fp16, master weights stay fp32;
    with fp16 the loss is scaled, and the scale lowered where gradients overflow."""
    seed: Seed = 42
    loss: LossConfig = LossConfig()
    metric: Metric | None = None
    """What decides which checkpoint is best and when to stop early, on the validation rows. The
    later one of equals, since the learning rate has come down further. None: accuracy for
    classify, macro_f1 for tag, loss for answer. On few rows the loss is a poor judge of labels: it
    punishes one confident error more than many hesitant ones. So is jaccard: it pays a model well
    that gives the commonest set to everything, as all do in their first epochs; by macro_f1 that
    is worth next to nothing."""
    early_stopping: EarlyStopping | None = EarlyStopping()
    prefix_sharing: bool = True
    """Compute tokens that all rows of a batch begin with only once."""


class Decoding(Section):
    """How an answer is written."""

    beams: Annotated[Int, Field(gt=0)] = 1
    """Beam search with this many beams; 1: greedy."""
    sample: bool = False
    """Draw each token by its probability."""
    temperature: Annotated[Float, Field(gt=0)] = 1.0
    """sample: below 1 the probable tokens gain, above 1 the improbable."""
    top_k: Annotated[Int, Field(ge=0)] = 0
    """sample: draw from this many most probable tokens; 0: from all."""
    top_p: Annotated[Float, Field(gt=0, le=1)] = 1.0
    """sample: draw from the fewest tokens whose probabilities sum to this."""
    repetition_penalty: Annotated[Float, Field(gt=0)] = 1.0
    """Above 1, tokens that were already written become less probable."""
    seed: Seed = 42

    @model_validator(mode="after")
    def _beams_or_sample(self) -> Decoding:
        if self.sample and self.beams > 1:
            raise ValueError("beams-and-sample")
        if not self.sample and (self.temperature, self.top_k, self.top_p) != (1.0, 0, 1.0):
            raise ValueError("sampling-without-sample")
        return self


Baseline = Literal[
    "majority", "constant", "nearest", "tfidf_logreg", "few_shot", "retrieval", "copy", "lead"
]


class EvaluateConfig(Section):
    """How the systems are scored on the test rows."""

    baselines: Literal["all"] | tuple[Baseline, ...] = "all"
    few_shot: Annotated[Int, Field(ge=0)] = 4
    """causal: how many training rows, those most like the question, the untuned model is shown in
    its prompt, as the baseline ``few_shot``; fewer, if more do not fit into ``train.max_length``.
    0: leave it out. 8 take twice as long as 4 to read."""
    passages: Annotated[Int, Field(gt=0)] = 3
    """Passages of ``data.documents`` that the baseline ``retrieval`` gives to each question; fewer
    likewise."""
    bootstrap: Annotated[Int, Field(ge=100)] = 1000
    """Resamples for each interval."""
    cv: Annotated[Int, Field(ge=2)] | None = None
    """Cross-validation: divide ``data.train`` into this many parts, and train once for each with
    that part as the test rows. None: one split."""
    seeds: tuple[Seed, ...] = ()
    """Train once with each of these in place of ``train.seed``. Empty: once, with that one."""
    seed: Seed = 42
    batch_size: Annotated[Int, Field(gt=0)] = 16
    generate: bool = True
    """classify: also let the model write freely, and count the answers outside the label set."""
    max_new_tokens: Annotated[Int, Field(gt=0)] | None = None
    """None: a quarter more than the longest training answer has, and at least 16."""
    decoding: Decoding = Decoding()
    """How the models write."""
    also: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Decoding] = {}
    """Further ways, by name: the tuned model also writes in each, as a system ``tuned_<name>``."""
    bertscore: Annotated[str, Field(min_length=1)] | None = None
    """answer: also BERTScore, by this model: a path, a hub id, or package:NAME. None: not."""
    against: str | None = None
    """Folder of an earlier run to compare with in the record; relative to the YAML file, as data
    paths are. What is needed of it is copied into the run folder."""


Reason = Annotated[str, Field(min_length=1)]


class Threshold(Section):
    """A threshold of a rule that is changed for this experiment."""

    value: Float
    reason: Reason
    """Why; the record shows it."""


class DoctorConfig(Section):
    """What is changed of the doctor's rules, each with a reason."""

    thresholds: dict[str, Threshold] = {}
    """``rule.threshold`` → value and reason: ``small-evaluation.wide: {value: 5, reason: …}``."""
    ignore: dict[str, Reason] = {}
    """Rules that are not applied → why."""


class Config(Section):
    """One experiment."""

    name: Annotated[str, Field(pattern=r"^[^\s/\\.\p{Cc}][^\s/\\\p{Cc}]*$", max_length=100)]
    task: TaskConfig = TaskConfig()
    data: DataConfig
    model: ModelConfig
    tuning: TuningConfig = TuningConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    doctor: DoctorConfig = DoctorConfig()
