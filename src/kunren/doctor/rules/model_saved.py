"""What the files of a model or adapter tell that another tool saved: second looks of model rules.

Each stands behind the rule of the same name in ``model_tokens``, ``model_added`` and
``model_reading``, which has its page.
"""

from __future__ import annotations

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.reading import Saved
from kunren.doctor.rules.model_tokens import SHOWN
from kunren.messages import text


def vocabulary_mismatch(saved: Saved) -> Finding | None:
    """A saved model whose tokenizer knows more, or an adapter with a table of another size."""
    if saved.adapter is not None:
        return _adapter_mismatch(saved)
    if saved.tokens is None or saved.rows is None:
        raise Missing("saved-vocabulary")
    if not saved.needed:
        return None
    fields = {"tokens": saved.tokens, "rows": saved.rows, "count": len(saved.needed)}
    named = " ".join(saved.needed[:SHOWN])
    said = text("rules_model.vocabulary-mismatch-saved", **fields, names=named)
    evidence = {
        "tokens": saved.tokens,
        "embedding_rows": saved.rows,
        "without": list(saved.needed[:SHOWN]),
    }
    return Finding("critical", said, evidence)


def _adapter_mismatch(saved: Saved) -> Finding | None:
    """An adapter that is put onto its base as it is ends in ``size mismatch``."""
    if saved.rows is None:
        raise Missing("base", id=saved.base or "—")
    if saved.tables is None:
        raise Missing("adapter-weights")
    other = {name: rows for name, rows in saved.tables.items() if rows != saved.rows}
    if not other:
        return None
    name, rows = next(iter(other.items()))
    fields = {"name": name, "saved": rows, "rows": saved.rows, "base": saved.base}
    return Finding("warning", text("rules_model.vocabulary-mismatch-adapter", **fields), fields)


def pad_is_eos(saved: Saved) -> Finding | None:
    """Padding and the end of an answer are one token of a saved model."""
    ends = saved.ends
    if ends is None:
        raise Missing("saved-ends")
    if ends.pad is None or ends.pad not in ends.ids:
        return None
    name = dict(zip(ends.ids, ends.names, strict=True))[ends.pad]
    return Finding("info", text("rules_model.pad-is-eos-saved", name=name), {"pad": ends.pad})


def untrained_tokens(saved: Saved) -> Finding | None:
    """An adapter holds embeddings of added tokens that its training did not move."""
    if saved.adapter is None:
        raise Missing("adapter")
    if saved.new is None:
        raise Missing("base", id=saved.base or "—")
    if not saved.new or saved.trains_rows:
        return None
    if saved.tables is None:
        raise Missing("adapter-weights")
    if not saved.tables:
        return None  # not even saved: another rule tells
    named = " ".join(saved.new[:SHOWN])
    said = text("rules_model.untrained-tokens-saved", count=len(saved.new), names=named)
    return Finding("warning", said, {"added": len(saved.new), "names": list(saved.new[:SHOWN])})


def no_chat_template(saved: Saved) -> Finding | None:
    """A causal model was saved without a chat template."""
    if saved.template is None:
        raise Missing("template")
    if saved.template:
        return None
    return Finding("info", text("rules_model.no-chat-template-saved"), {"chat_template": None})
