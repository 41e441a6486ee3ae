"""The rules there are: an explicit table, from which each is imported when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kunren.doctor.evidence import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        code: short and stable; its letter is the area (D data, M model and config, T training,
            O output).
        slug: stable and plain.
        target: "module:function" below ``kunren.doctor.rules``. Its parameters name the evidence
            that it needs, its keyword-only ones with defaults are its thresholds, and it returns a
            ``Finding``, or None where all is well. Its docstring is its page (see ``pages``).
        otherwise: a second such function, for runs that lack what the first one needs: answers may
            be gone, or another tool's, where the log still tells the same of them.
        leak: whether what it finds means that test answers may have been seen in training.
    """

    code: str
    slug: str
    target: str
    otherwise: str | None = None
    leak: bool = False

    def load(self) -> Callable[..., Finding | None]:
        """The rule's function."""
        return _function(self.target)

    def load_otherwise(self) -> Callable[..., Finding | None] | None:
        """The second function, where there is one."""
        return None if self.otherwise is None else _function(self.otherwise)


def _function(target: str) -> Callable[..., Finding | None]:
    module, _, name = target.partition(":")
    found = getattr(import_module(f"kunren.doctor.rules.{module}"), name)
    return cast("Callable[..., Finding | None]", found)


DATA = (
    Rule("D001", "duplicate-rows", "data_rows:duplicate_rows"),
    Rule("D002", "near-duplicates", "data_rows:near_duplicates"),
    Rule("D003", "split-leakage", "data_rows:split_leakage", leak=True),
    Rule("D004", "conflicting-labels", "data_labels:conflicting_labels"),
    Rule("D005", "dominant-label", "data_labels:dominant_label"),
    Rule("D006", "even-labels", "data_labels:even_labels"),
    Rule("D007", "label-variants", "data_labels:label_variants"),
    Rule("D008", "low-density", "data_counts:low_density"),
    Rule("D009", "few-rows", "data_counts:few_rows"),
    Rule("D010", "small-test", "data_counts:small_test"),
    Rule("D011", "low-filter-rate", "data_counts:low_filter_rate"),
    Rule("D012", "garbled-text", "data_text:garbled_text"),
    Rule("D013", "control-characters", "data_text:control_characters"),
    Rule("D014", "empty-text", "data_text:empty_text"),
    Rule("D015", "single-turn", "data_text:single_turn"),
    Rule("D016", "emoji-in-text", "data_answers:emoji_in_text"),
    Rule("D017", "teacher-talk", "data_answers:teacher_talk"),
    Rule("D018", "personal-data", "data_personal:personal_data"),
    Rule("D019", "split-shift", "data_shift:split_shift"),
    Rule("D020", "unseen-labels", "data_shift:unseen_labels"),
    Rule("D021", "untested-labels", "data_sides:untested_labels"),
    Rule("D022", "conflicting-answers", "data_replies:conflicting_answers"),
    Rule("D023", "dominant-answer", "data_replies:dominant_answer"),
    Rule("D024", "copied-input", "data_written:copied_input"),
    Rule("D025", "broken-json", "data_written:broken_json"),
    Rule("D026", "looping-answers", "data_written:looping_answers"),
    Rule("D027", "unread-columns", "data_columns:unread_columns"),
    Rule("D033", "control-tokens", "data_marks:control_tokens"),
    Rule("D030", "unread-keys", "data_turns:unread_keys", "data_turns:unread_keys_of_data"),
)
"""What the rows and their split tell; known before training."""

MODEL: tuple[Rule, ...] = (
    Rule(
        "M001",
        "vocabulary-mismatch",
        "model_tokens:vocabulary_mismatch",
        "model_saved:vocabulary_mismatch",
    ),
    Rule("M002", "label-roundtrip", "model_tokens:label_roundtrip"),
    Rule("M003", "empty-loss-mask", "model_tokens:empty_loss_mask"),
    Rule("M004", "padding-in-loss", "model_tokens:padding_in_loss"),
    Rule("M005", "end-of-turn-untrained", "model_tokens:end_of_turn_untrained"),
    Rule("M006", "pad-is-eos", "model_tokens:pad_is_eos", "model_saved:pad_is_eos"),
    Rule(
        "M007",
        "untrained-tokens",
        "model_added:untrained_tokens",
        "model_saved:untrained_tokens",
    ),
    Rule("M008", "unsaved-tokens", "model_added:unsaved_tokens"),
    Rule("M009", "fp16-new-tokens", "model_added:fp16_new_tokens"),
    Rule("M010", "focal-with-smoothing", "model_settings:focal_with_smoothing"),
    Rule("M011", "learning-rate", "model_settings:rate_out_of_range"),
    Rule("M012", "long-warmup", "model_settings:long_warmup"),
    Rule("M013", "many-weights", "model_settings:many_weights"),
    Rule(
        "M014",
        "no-chat-template",
        "model_reading:no_chat_template",
        "model_saved:no_chat_template",
    ),
    Rule("M015", "template-mismatch", "model_reading:template_mismatch"),
    Rule("M016", "truncation", "model_reading:truncation"),
    Rule("M017", "loose-limit", "model_reading:loose_limit"),
    Rule("M018", "end-in-text", "model_letters:end_in_text"),
    Rule("M019", "marks-lost", "model_letters:marks_lost"),
    Rule("M020", "zero-end", "model_tokens:zero_end"),
)
"""What config, tokenizer and model tell together; known before any weight is loaded."""

TRAINING = (
    Rule("T001", "non-finite", "training_numbers:non_finite"),
    Rule("T002", "overfitting", "training_fit:overfitting"),
    Rule("T003", "still-improving", "training_progress:still_improving"),
    Rule("T004", "zero-loss", "training_numbers:zero_loss"),
    Rule("T005", "not-learning", "training_progress:not_learning"),
    Rule("T006", "loss-metric-disagreement", "training_metrics:loss_metric_disagreement"),
    Rule("T007", "memorisation", "training_fit:memorisation"),
    Rule("T008", "too-perfect", "training_fit:too_perfect"),
    Rule("T009", "no-evaluation", "training_watch:no_evaluation"),
    Rule("T010", "few-evaluations", "training_watch:few_evaluations"),
    Rule("T011", "best-not-kept", "training_kept:best_not_kept"),
    Rule("T012", "loss-scaling", "training_scale:loss_scaling"),
    Rule("T013", "loss-spikes", "training_numbers:loss_spikes"),
    Rule("T014", "dead-tail", "training_tail:dead_tail"),
    Rule("T015", "below-chance", "training_metrics:below_chance"),
    Rule("T016", "constant-metric", "training_metrics:constant_metric"),
    Rule("T030", "validation-collapse", "training_live:validation_collapse"),
    Rule("T031", "validation-trivial", "training_live:validation_trivial"),
)
"""What the course of training tells."""

OUTPUT = (
    Rule("O001", "not-better-than-base", "output:not_better_than_base"),
    Rule("O002", "below-trivial", "output:below_trivial"),
    Rule("O003", "small-evaluation", "output:small_evaluation"),
    Rule("O004", "out-of-set", "output_writing:out_of_set"),
    Rule("O005", "mode-collapse", "output_collapse:mode_collapse"),
    Rule(
        "O006",
        "majority-trap",
        "output_metrics:majority_trap",
        "training_metrics:majority_trap",
    ),
    Rule("O007", "turn-collapse", "output_collapse:turn_collapse"),
    Rule("O008", "soft-collapse", "output_collapse:soft_collapse"),
    Rule("O009", "invalid-output", "output_writing:invalid_output"),
    Rule("O010", "empty-answers", "output_writing:empty_answers"),
    Rule("O011", "never-ending-answers", "output_writing:never_ending"),
    Rule("O012", "other-language", "output_language:other_language"),
    Rule("O013", "confusable-labels", "output_errors:confusable_labels"),
    Rule("O014", "short-input-errors", "output_errors:short_input_errors"),
    Rule("O015", "shortcut-words", "output_errors:shortcut_words"),
    Rule("O016", "zero-scores", "output_metrics:zero_scores"),
    Rule("O017", "metric-fails-on-gold", "output_metrics:metric_fails_on_gold"),
    Rule("O020", "solved-by-baseline", "output_easy:solved_by_baseline"),
)
"""What the answers tell."""

RULES: tuple[Rule, ...] = (*DATA, *MODEL, *TRAINING, *OUTPUT)

BY_SLUG: Mapping[str, Rule] = {rule.slug: rule for rule in RULES}
