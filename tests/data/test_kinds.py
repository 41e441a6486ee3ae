"""Files that are no data are named as what they are, whatever their name says."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from kunren.config.schema import Fields
from kunren.data import kinds
from kunren.data.read import Read, read
from kunren.messages import use_language

ROWS = "\n".join(
    json.dumps({"text": f"これは{n}番目の文です", "label": "良い"}, ensure_ascii=False)
    for n in range(5)
)


def put(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(found: Read) -> list[str]:
    return [problem.code for problem in found.problems]


def zipped(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return held.getvalue()


def tarred(mode: str = "w") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("data.csv"))
    return held.getvalue()


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 1234567\n"
NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": []}], "nbformat": 4})
S3 = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'

NO_DATA: dict[str, tuple[str, bytes | str, str]] = {
    "LFS pointer": ("train.jsonl", POINTER, "data.lfs-pointer"),
    "LFS pointer as Parquet": ("train.parquet", POINTER, "data.lfs-pointer"),
    "annex pointer": ("a.csv", "/annex/objects/SHA256E-s1--ab.csv\n", "data.annex-pointer"),
    "web page": ("a.jsonl", "<!DOCTYPE html>\n<html><title>x</title>", "data.web-page"),
    "web page, XHTML": ("a.csv", '<?xml version="1.0"?>\n<html lang="ja">', "data.web-page"),
    "web page after a comment": ("a.tsv", "\n<!-- x -->\n<HTML><body>", "data.web-page"),
    "a table of HTML": ("a.xls", "<table><tr><td>text</td></tr></table>", "data.web-page"),
    "server error": ("a.csv", S3, "data.xml"),
    "refusal": ("a.jsonl", "404: Not Found", "data.download-error"),
    "refusal, short": ("a.parquet", "Entry not found\n", "data.download-error"),
    "notebook": ("a.ipynb", NOTEBOOK, "data.notebook"),
    "notebook as JSON": ("a.json", NOTEBOOK, "data.notebook"),
    "Excel": ("a.csv", zipped(xl__workbook_dot_xml=""), "data.excel"),
    "Word": ("a.csv", zipped(word__document_dot_xml=""), "data.document"),
    "PowerPoint": ("a", zipped(ppt__x_dot_xml=""), "data.document"),
    "ODS": ("a", zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
            "data.spreadsheet"),
    "ODT": ("a", zipped(mimetype="application/vnd.oasis.opendocument.text"), "data.document"),
    "zip": ("a.csv", zipped(data_dot_csv="text,label"), "data.archive"),
    "PyTorch": ("a.pt", zipped(archive__data_dot_pkl=""), "data.python-object"),
    "NumPy, several": ("a.npz", zipped(x_dot_npy=""), "data.python-object"),
    "a cut zip": ("a.csv", b"PK\x03\x04rest", "data.excel"),
    "tar": ("a.tar", tarred(), "data.archive"),
    "tar.gz": ("a.tar.gz", tarred("w:gz"), "data.archive"),
    "tgz": ("a.tgz", tarred("w:gz"), "data.archive"),
    "7z": ("a.7z", b"7z\xbc\xaf\x27\x1c\0\4", "data.archive"),
    "RAR": ("a.rar", b"Rar!\x1a\x07\x01\0", "data.archive"),
    "old Excel": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "data.old-excel"),
    "PDF": ("a.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "data.document"),
    "RTF": ("a.txt", r"{\rtf1\ansi", "data.document"),
    "PNG": ("a.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "data.media"),
    "JPEG": ("a.jsonl", b"\xff\xd8\xff\xe0\0\x10JFIF", "data.media"),
    "WAV": ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ", "data.media"),
    "MP4": ("a.mp4", b"\0\0\0\x20ftypisom", "data.media"),
    "pickle": ("a.pkl", pickle.dumps({"text": ["あ"]}), "data.python-object"),
    "GGUF": ("m.gguf", b"GGUF\3\0\0\0" + bytes(16), "data.weights"),
    "safetensors": ("m.safetensors", b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}       ', "data.weights"),
    "program": ("a", b"\x7fELF\2\1\1" + bytes(60), "data.program"),
    "zeros": ("a.jsonl", bytes(5000), "data.zeros"),
    "binary": ("a.csv", bytes(range(256)) * 20, "data.binary"),
    "binary with many zeros": ("a.bin", b"".join(n.to_bytes(4, "little") for n in range(3000)),
                               "data.binary"),
    "YAML": ("a.yaml", "name: a\n", "data.unknown-format"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_DATA)
def test_what_is_no_data_is_named(tmp_path: Path, case: str) -> None:
    name, content, code = NO_DATA[case]
    found = read(put(tmp_path, name, content), Fields())
    assert codes(found) == [code]
    assert found.problems[0].where is not None
    assert found.problems[0].where.line is None
    for language in ("ja", "en"):
        use_language(language)
        assert name in str(found.problems[0])
    use_language("ja")


def test_files_that_libraries_write(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"text": ["あ"]}), str(tmp_path / "a.feather"))
    np.save(tmp_path / "a.npy", np.zeros(3))
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("create table t(a)")
    base.commit()
    base.close()
    expected = {"a.feather": "table-store", "a.npy": "python-object", "a.db": "database"}
    for name, code in expected.items():
        assert codes(read(tmp_path / name, Fields())) == [f"data.{code}"]


def test_a_message_says_what_helps(tmp_path: Path) -> None:
    def fields(name: str, content: bytes | str) -> dict[str, object]:
        return dict(read(put(tmp_path, name, content), Fields()).problems[0].fields)

    assert fields("a.jsonl", POINTER)["size"] == "1234567"
    assert fields("a.csv", "<!doctype html><title>\n ログイン </title>")["title"] == "ログイン"
    assert fields("a.csv", S3)["found"] == "NoSuchKey"
    archive = fields("a b.zip", zipped(train_dot_csv="", test_dot_csv=""))
    assert archive["inside"] == "train.csv、test.csv"
    assert (archive["command"], archive["file"]) == ("unzip", "'a b.zip'")
    assert fields("a.tgz", tarred("w:gz"))["file"] == "a.tgz"


@pytest.mark.parametrize(
    "begins",
    [
        "ORC,label", "GGUF,label", "FEA1,label", "ID3,label", "BZh1,label", "MZ,label",
        "xxxxxxxx{\"a\",label", "<text>,label", "Rar!,label", "II*,label", "0000ftyp,label",
    ],
)  # fmt: skip
def test_text_that_begins_like_a_format_is_text(begins: str) -> None:
    assert kinds.not_data(f"{begins}\nあ,良い\n".encode(), "a.csv") is None
    assert kinds.packing(f"{begins}\n".encode()) is None


def test_what_is_piped_in_may_be_any_text() -> None:
    for said in ("<html>", "404: Not Found", POINTER):
        assert kinds.not_data(said.encode(), "-", text=False) is None
    assert kinds.not_data(b"%PDF-1.7", "-", text=False) is not None


# --- packed ---

PACKED = {
    "a.jsonl.gz": gzip.compress(ROWS.encode()),
    "b.jsonl.gz": gzip.compress(ROWS.encode()[:100]) + gzip.compress(ROWS.encode()[100:]),
    "a.jsonl.bz2": bz2.compress(ROWS.encode()),
    "a.jsonl.xz": lzma.compress(ROWS.encode()),
    "a.jsonl.zst": pa.compress(ROWS.encode(), "zstd", asbytes=True),
    "a.jsonl": gzip.compress(ROWS.encode()),
    "a.csv.gz": gzip.compress(b"text,label\n" + "あ,良い\n".encode() * 5),
    "a.tsv.xz": lzma.compress(b"text\tlabel\n" + "あ\t良い\n".encode() * 5),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_read_and_it_is_said(tmp_path: Path, name: str) -> None:
    found = read(put(tmp_path, name, PACKED[name]), Fields())
    assert codes(found) == []
    assert len(found.rows) == 5
    assert [note.code for note in found.notes] == ["data.unpacked"]
    assert found.rows[0].where.path.endswith(name)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl.zst"])
def test_a_cut_packed_file_is_one_message(tmp_path: Path, name: str) -> None:
    found = read(put(tmp_path, name, PACKED[name][:-12]), Fields())
    assert codes(found) == ["data.packed-broken"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl.zst"])
def test_what_would_unpack_without_end_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "MOST_BYTES", 100)
    assert codes(read(put(tmp_path, name, PACKED[name]), Fields())) == ["data.too-large"]


# --- what must not be opened ---


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "real.jsonl").touch()
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    expected = {
        tmp_path / "pipe.jsonl": "data.is-pipe",
        tmp_path / "loop.jsonl": "data.unreadable",
        Path("/dev/zero"): "data.is-device",
        tmp_path: "data.is-folder",
        tmp_path / ("x" * 300): "data.unreadable",
        tmp_path / "a\0b": "data.impossible-path",
        tmp_path / "real.json": "data.no-such-file-near",
        tmp_path / "qqq": "data.no-such-file",
    }
    for path, code in expected.items():
        assert codes(read(path, Fields())) == [code], path


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.truncate(40 * 2**30)  # takes no room
    (problem,) = read(path, Fields()).problems
    assert (problem.code, problem.fields["size"]) == ("data.too-large", "40.0 GB")
