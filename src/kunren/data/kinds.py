"""What a file is that is no data: a pointer, a web page, an archive, a picture, a model.

Told by its content, whatever its name says: a page that says "not found" is saved as
``train.jsonl`` as easily as the data. What is merely packed (gzip, bzip2, xz, Zstandard) is
unpacked, within bounds.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import IO

from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where
from kunren.userfile import MOST_BYTES, too_large

_PACKED: Mapping[bytes, str] = {
    rb"\x1f\x8b": "gzip",
    rb"BZh[1-9]1AY&SY": "bzip2",
    rb"\xfd7zXZ\0": "xz",
    rb"\x28\xb5\x2f\xfd": "zstd",
}
"""How it begins, and what packed it."""

_PACKED_SUFFIXES = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd")
_MEMORY = 2**28
"""Bytes that unpacking xz may take; its strongest setting takes a quarter."""

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old-excel", ""),
    (rb"%PDF-", "document", "PDF"),
    (rb"\{\\rtf", "document", "RTF"),
    (rb"\x89PNG\r\n", "media", "PNG"),
    (rb"\xff\xd8\xff", "media", "JPEG"),
    (rb"GIF8[79]a", "media", "GIF"),
    (rb"II\*\0|MM\0\*", "media", "TIFF"),
    (rb"RIFF....WEBP", "media", "WebP"),
    (rb"RIFF....WAVE", "media", "WAV"),
    (rb"RIFF....AVI ", "media", "AVI"),
    (rb"\0\0..ftyp", "media", "MP4/HEIC"),
    (rb"ID3[\2-\4]", "media", "MP3"),
    (rb"OggS\0", "media", "Ogg"),
    (rb"fLaC\0", "media", "FLAC"),
    (rb"SQLite format 3\0", "database", "SQLite"),
    (rb"\x93NUMPY", "python-object", "NumPy"),
    (rb"\x80[\2-\5]", "python-object", "pickle"),
    (rb"ARROW1\0\0", "table-store", "Arrow/Feather"),
    (rb"FEA1\0\0\0\0", "table-store", "Feather"),
    (rb"\xff\xff\xff\xff", "table-store", "Arrow (stream)"),
    (rb"ORC[\0-\x08\x0e-\x1f]", "table-store", "ORC"),
    (rb"Obj\x01", "table-store", "Avro"),
    (rb"\x89HDF\r\n", "table-store", "HDF5"),
    (rb"\$FL2@\(#\)", "table-store", "SPSS"),
    (rb"GGUF.\0\0\0", "weights", "GGUF"),
    (rb".....\0\0\0\{\"", "weights", "safetensors"),
    (rb"\x7fELF", "program", "ELF"),
    (rb"MZ.{58}.\0\0\0", "program", "EXE"),
    (rb"\xcf\xfa\xed\xfe", "program", "Mach-O"),
    (rb".{257}ustar", "archive", "tar"),
    (rb"7z\xbc\xaf\x27\x1c", "archive", "7z"),
    (rb"Rar!\x1a\x07", "archive", "RAR"),
)
"""How a file begins, the message, and the name of the kind."""

_UNPACK = {"zip": "unzip", "tar": "tar xf", "7z": "7z x", "RAR": "unar"}

_WAYS = {
    "Arrow/Feather": "read_feather",
    "Feather": "read_feather",
    "ORC": "read_orc",
    "HDF5": "read_hdf",
    "SPSS": "read_spss",
}
"""How pandas reads it."""

_PAGE = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head)\b", re.I | re.S
)
_SHEET = re.compile(r"\s*<(table|body|div|meta|style)\b", re.I)
"""What a program that "exports to Excel" may write in truth."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)
_XML = re.compile(r"\s*<\?xml\b")
_ERROR_CODE = re.compile(r"<Code>(.*?)</Code>")
_REFUSED = re.compile(
    r"(404: Not Found|Not Found|Entry not found|Repository not found|Access Denied|Forbidden"
    r"|Unauthorized|Bad Gateway|Service Unavailable|Too Many Requests|429: Too Many Requests"
    r"|Invalid username or password\.?|Access to dataset \S+ is restricted.*)",
    re.I,
)
"""All that GitHub, Hugging Face and their like send in place of a file."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_COMMON = re.compile(r"[\t\r\n -~\xa0-\u024f\u2010-\u2027\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")
_LOOK = 2**16
"""How many bytes or characters at the begin of a file are looked at."""


class _TooLargeError(Exception):
    pass


def unpacked(data: bytes, path: str) -> tuple[bytes, str] | Problem:
    """What a packed file holds, and the path without the suffix of the packing.

    Any other file is given back as it is.
    """
    name = packing(data)
    if name is None:
        return data, path
    try:
        inside = _UNPACKERS[name](data)
    except _TooLargeError:
        return too_large(Where(path), None)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        fields: dict[str, object] = {"kind": name, "detail": excerpt(str(error), 80)}
        return Problem("data.packed-broken", Where(path), fields)
    plain = PurePath(path)
    if plain.suffix.lower() == ".tgz":
        return inside, str(plain.with_suffix(".tar"))
    packed = plain.suffix.lower() in _PACKED_SUFFIXES
    return inside, str(plain.with_suffix("")) if packed else path


def packing(data: bytes) -> str | None:
    """By what a file is packed; None: by nothing that is unpacked here."""
    return next((kind for begin, kind in _PACKED.items() if re.match(begin, data[:16])), None)


def _read(stream: IO[bytes]) -> bytes:
    found = stream.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise _TooLargeError
    return found


def _gzip(data: bytes) -> bytes:
    import gzip

    return _read(gzip.GzipFile(fileobj=io.BytesIO(data)))  # type: ignore[arg-type]


def _bzip2(data: bytes) -> bytes:
    return _read(bz2.BZ2File(io.BytesIO(data)))


def _xz(data: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor(memlimit=_MEMORY)
    found = unpacker.decompress(data, MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise _TooLargeError
    if not unpacker.eof:
        raise EOFError("it ends too early")
    return found


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return _read(pa.CompressedInputStream(pa.BufferReader(data), "zstd"))


_UNPACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}


def not_data(
    data: bytes, path: str, suffix: str | None = None, *, text: bool = True
) -> Problem | None:
    """What a file is that holds no rows as it stands, and how to come by them; None: it may.

    Args:
        data: what it holds.
        path: as it is shown.
        suffix: that of what was packed; None: of the path.
        text: whether what is text may be none of the user's: a page, a pointer, a refusal. Not
            what a program pipes in, which may be meant so.
    """
    where = Where(path)
    for magic, code, kind in _MAGIC:
        if re.match(magic, data[:512], re.S):
            return _known(code, kind, where)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(data, where)
    if data and not data.strip(b"\0"):
        return Problem("data.zeros", where)
    begin = data[:_LOOK].decode("utf-8-sig", errors="replace")
    suffix = PurePath(path).suffix.lower() if suffix is None else suffix
    return _text(begin, len(data), where, suffix) if text else None


def is_binary(text: str, encoding: str | None) -> bool:
    """Whether what was read as text, in whatever encoding, is none."""
    begin = text[:_LOOK]
    if encoding is not None and encoding.startswith("UTF-16"):
        # Half of all pairs of bytes are no character, or one of a script that is not met here.
        return 2 * len(_COMMON.findall(begin)) < len(begin)
    return 50 * len(_CONTROL.findall(begin)) > len(begin)


def _known(code: str, kind: str, where: Where) -> Problem:
    fields: dict[str, object] = {"kind": kind, "file": shlex.quote(PurePath(where.path).name)}
    if code == "archive":
        fields |= {"command": _UNPACK[kind], "inside": "…"}
    elif code == "table-store":
        fields["reader"] = _WAYS.get(kind, "read_…")
        fields["file"] = excerpt(PurePath(where.path).name, 60)
    return Problem(f"data.{code}", where, fields)


def _text(begin: str, size: int, where: Where, suffix: str) -> Problem | None:
    if begin.startswith("version https://git-lfs.github.com/spec/v1"):
        known = re.search(r"^size (\d+)", begin, re.M)
        return Problem("data.lfs-pointer", where, {"size": known.group(1) if known else "?"})
    if size < 1000 and re.fullmatch(r"(\.\./)*(\.git)?/?annex/objects/\S+\s*", begin):
        return Problem("data.annex-pointer", where)
    if _PAGE.match(begin) or (suffix in (".csv", ".tsv", ".xls") and _SHEET.match(begin)):
        title = _TITLE.search(begin)
        said = " ".join(title.group(1).split()) if title else ""
        return Problem("data.web-page", where, {"title": excerpt(said, 60) or "-"})
    if _XML.match(begin):
        error = _ERROR_CODE.search(begin)
        said = (
            error.group(1) if error else re.sub(r"\s*<\?.*?\?>\s*", "", begin, count=1, flags=re.S)
        )
        return Problem("data.xml", where, {"found": excerpt(said.strip(), 40)})
    if suffix and suffix != ".txt" and (refused := _REFUSED.fullmatch(begin.strip())):
        return Problem("data.download-error", where, {"found": excerpt(refused.group(1), 60)})
    if suffix == ".ipynb" or re.match(r'\s*\{\s*"(cells|metadata|nbformat)"\s*:', begin):
        notebook = suffix == ".ipynb" or '"cell_type"' in begin
        return Problem("data.notebook", where) if notebook else None
    return None


def _zip(data: bytes, where: Where) -> Problem:
    """What a zip archive is: half of all formats are one inside."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            kind = archive.open("mimetype").read(100) if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        return Problem("data.excel", where)
    if any(name.startswith("xl/") for name in names):
        return Problem("data.excel", where)
    if b"opendocument.spreadsheet" in kind:
        return Problem("data.spreadsheet", where)
    for folder, name in (("word/", "Word"), ("ppt/", "PowerPoint")):
        if any(one.startswith(folder) for one in names):
            return Problem("data.document", where, {"kind": name})
    if kind:
        return Problem("data.document", where, {"kind": excerpt(kind.decode("latin-1"), 60)})
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return Problem("data.python-object", where, {"kind": "PyTorch"})
    if names and all(name.endswith(".npy") for name in names):
        return Problem("data.python-object", where, {"kind": "NumPy"})
    inside = "、".join(names[:5]) + ("、…" if len(names) > 5 else "")
    problem = _known("archive", "zip", where)
    return Problem(problem.code, where, {**problem.fields, "inside": excerpt(inside, 80) or "-"})
