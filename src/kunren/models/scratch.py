"""Models that were not pretrained: ``scratch:NAME``, for families that have no weights at hand.

The architecture of a real family in small, random weights, and a tokenizer trained on the training
rows. Such a model knows nothing but those rows: it shows that a job runs, and what the rows alone
can teach. The same name and texts give the same files, byte by byte.

=========== ======================================== ========================================
name        architecture                             parameters, beside 256 a token
=========== ======================================== ========================================
t5-small    T5, 4 + 4 layers, width 256              7.3 million
bert-small  BERT, 4 layers, width 256                3.5 million
llama-small Llama, 4 layers, width 256, tied output  3.4 million
=========== ======================================== ========================================

All three share one kind of tokenizer: BPE with byte fallback over characters, as SentencePiece has
it. Nothing is normalised, so what is decoded is what was encoded, to the last variation selector,
and a character that the texts lack becomes bytes, never UNK. (T5 proper has a Unigram model and
NFKC, which makes an ``i`` of ℹ️; and the trainer for Unigram in ``tokenizers`` gives other scores
each time.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models.cache import make_once
from kunren.models.convert import SOURCE_FILE
from kunren.models.quiet import quiet
from kunren.models.tokenizer_files import save_tokenizer
from kunren.nearest import nearest
from kunren.progress import Progress, Silent

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

PREFIX = "scratch:"

SCRATCH_VERSION = 1
"""Part of every cache key: raise it when the folder that this module writes changes."""

_SEED = 0
_LARGEST_VOCABULARY = 8000
_CHARACTERS_A_MERGE = 20
"""How much text a merged token takes: of fewer, its embedding would be seen too seldom to learn."""

_WORDS = (
    r"[0-9#*]\x{FE0F}?\x{20E3}"  # keycaps
    r"|[\p{L}\p{M}]+"
    r"|\p{N}"
    r"|\s+"
    r"|\X"  # a grapheme: one emoji, one punctuation mark
)
"""What no token reaches beyond (Oniguruma's syntax): a run of letters, a digit, one emoji."""

_ALPHABET = ["\t", "\n", *map(chr, range(0x20, 0x7F)), "\u200d", "\u20e3", "\ufe0f"]
"""Characters that every vocabulary has: ASCII, and what emoji are joined with."""


@dataclass(frozen=True, slots=True)
class Special:
    """The special tokens of a family, by their role in transformers.

    Attributes:
        tokens: all of them, in the order of their ids.
        roles: argument of the tokenizer → token.
        single: what the tokenizer puts around a text (``$A``).
    """

    tokens: tuple[str, ...]
    roles: Mapping[str, str]
    single: str


@dataclass(frozen=True, slots=True)
class Scratch:
    """An architecture and the special tokens of its tokenizer.

    Attributes:
        config: name of the class in transformers.
        model: name of the class in transformers.
        settings: arguments of the config, beside the vocabulary and the special tokens' ids.
        special: the special tokens.
        words: words that every vocabulary is to have whole.
    """

    config: str
    model: str
    settings: Mapping[str, object]
    special: Special
    words: tuple[str, ...] = ()


ARCHITECTURES = {
    "t5-small": Scratch(
        "T5Config",
        "T5ForConditionalGeneration",
        {"d_model": 256, "d_kv": 64, "d_ff": 1024, "num_layers": 4, "num_heads": 4},
        Special(
            ("<pad>", "</s>", "<unk>"),
            {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
            "$A </s>",
        ),
    ),
    "bert-small": Scratch(
        "BertConfig",
        "BertModel",
        {
            "hidden_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 1024,
            "max_position_embeddings": 1024,
        },
        Special(
            ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
            {
                "pad_token": "[PAD]",
                "unk_token": "[UNK]",
                "cls_token": "[CLS]",
                "sep_token": "[SEP]",
                "mask_token": "[MASK]",
            },
            "[CLS] $A [SEP]",
        ),
    ),
    "llama-small": Scratch(
        "LlamaConfig",
        "LlamaForCausalLM",
        {
            "hidden_size": 256,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "intermediate_size": 768,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": True,
        },
        Special(
            # The last two bring the ChatML template with them.
            ("<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"),
            {
                "unk_token": "<unk>",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "pad_token": "<pad>",
            },
            "<s> $A",
        ),
        words=("system", "user", "assistant"),
    ),
}
"""Every untrained model, by name."""


def check(name: str) -> list[Problem]:
    """What is wrong with the ``NAME`` of ``scratch:NAME``."""
    if name in ARCHITECTURES:
        return []
    fields: dict[str, object] = {"name": name, "names": ", ".join(ARCHITECTURES)}
    if near := nearest(name, ARCHITECTURES):
        return [Problem("scratch.unknown-near", None, {**fields, "near": near})]
    return [Problem("scratch.unknown", None, fields)]


def build(name: str, texts: Sequence[str], progress: Progress | None = None) -> Path:
    """The folder of an untrained model for these texts, made now if it is not in the cache.

    Args:
        name: one of ``ARCHITECTURES``.
        texts: inputs and answers of the training rows.
        progress: gets one bar.

    Raises:
        InputError: there is no such model, there are no texts, or the cache cannot be written to.
    """
    problems = check(name)
    if problems:
        raise InputError(problems)
    if not any(texts):
        raise InputError(Problem("scratch.not-kept", None, {"name": name}))
    shown = progress or Silent()
    source = _source(name, texts)

    def make(folder: Path, _scraps: Path) -> None:
        with shown.stage(text("scratch.building", name=name), 2) as task, quiet():
            tokenizer = _tokenizer(ARCHITECTURES[name], texts)
            save_tokenizer(tokenizer, folder)
            task.advance()
            _save_model(ARCHITECTURES[name], tokenizer, folder)
            task.advance()
        record = source | {"vocabulary_size": len(tokenizer)}
        (folder / SOURCE_FILE).write_text(
            json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )

    return make_once(key(name, texts), make, 100_000_000, shown)


def key(name: str, texts: Sequence[str]) -> str:
    """Name of the folder in the cache of a model for these texts."""
    said = json.dumps([_source(name, texts), SCRATCH_VERSION])
    return f"scratch-{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def _source(name: str, texts: Sequence[str]) -> dict[str, object]:
    read = json.dumps([*texts], ensure_ascii=False).encode(errors="surrogatepass")
    return {
        "source": "scratch",
        "name": name,
        "pretrained": False,
        "texts_sha256": hashlib.sha256(read).hexdigest(),
    }


def _tokenizer(made: Scratch, texts: Sequence[str]) -> PreTrainedTokenizerBase:
    from tokenizers import decoders, processors
    from transformers import PreTrainedTokenizerFast

    backend = _trained(made, texts)
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    ends = made.special.single.replace("$A", "").split()
    backend.post_processor = processors.TemplateProcessing(
        single=made.special.single,
        pair=None,
        special_tokens=[(token, backend.token_to_id(token)) for token in ends],
    )
    backend.add_special_tokens(list(made.special.tokens))
    limit = made.settings.get("max_position_embeddings")
    make: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerBase = make(
        tokenizer_object=backend,
        padding_side="left" if "CausalLM" in made.model else "right",
        **({} if limit is None else {"model_max_length": limit}),
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **made.special.roles,
    )
    return tokenizer


def _trained(made: Scratch, texts: Sequence[str]) -> Tokenizer:
    """BPE over the words of ``texts``: special tokens, bytes, all characters, then merges."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    words = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = words
    characters = {c for said in texts for c in said}.union(_ALPHABET)
    merges = sum(map(len, texts)) // _CHARACTERS_A_MERGE
    room = _LARGEST_VOCABULARY - len(made.special.tokens) - 256
    trainer = trainers.BpeTrainer(
        vocab_size=max(len(characters), min(room, len(characters) + merges)),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(characters),
    )
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]
    found = [tuple(pair) for pair in learnt["merges"]]
    tokens = [*made.special.tokens, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    for word in made.words:
        found += [(word[:n], word[n]) for n in range(1, len(word))]
        tokens += [word[:n] for n in range(2, len(word) + 1)]
    unknown = made.special.roles["unk_token"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    merged = list(dict.fromkeys(found))
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merged, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.pre_tokenizer = words
    return tokenizer


def _save_model(made: Scratch, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    import torch
    import transformers

    settings: dict[str, Any] = {
        f"{role}_token_id": number
        for role in ("pad", "bos", "eos")
        if (number := getattr(tokenizer, f"{role}_token_id")) is not None
    }
    if made.config == "T5Config":
        settings["decoder_start_token_id"] = tokenizer.pad_token_id
    config: PreTrainedConfig = getattr(transformers, made.config)(
        vocab_size=len(tokenizer), **made.settings, **settings
    )
    with torch.random.fork_rng([]), torch.device("cpu"):
        torch.manual_seed(_SEED)
        model = getattr(transformers, made.model)(config)
        model.save_pretrained(folder)
