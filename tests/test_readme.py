"""Both READMEs say what is so: their commands run, their YAML is valid, their tree exists."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from kunren.cli import COMMANDS, main
from kunren.config.schema import Config

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.ja.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """Every command in backquotes that begins with ``kunren``, as written."""
    found = re.findall(r"`(kunren [^`]+)`", read(name))
    return [c for c in dict.fromkeys(found) if c.split()[1] in COMMANDS]


def test_both_name_the_same_commands() -> None:
    assert commands("README.md") == commands("README.ja.md")
    assert {c.split()[1] for c in commands("README.md")} == set(COMMANDS)


def test_the_commands_run(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("うれしい\n".encode())))
    output = tmp_path / "out"
    first = f"kunren run {ROOT}/examples/emotion_emoji.yaml"
    quick = f" --set model.id={tiny_model} --set evaluate.bootstrap=100 --set train.epochs=1"
    quick += " --set evaluate.generate=false"
    call(f"{first} --output {output}{quick}")
    (run,) = output.iterdir()
    texts = tmp_path / "texts.txt"
    texts.write_text("うれしい\n", "utf-8")
    for command in commands(READMES[0]):
        if command.startswith("kunren models get"):
            continue  # fetches over the network; tests/models/test_sources.py has its own index
        told = {
            "CONFIG": str(run / "config.yaml"),
            "RUN": str(run),
            "FILE": str(texts),
            "DIR": str(tmp_path / "again"),
            "TEXT": "絵文字で",
            "N": "1",
            "examples/emotion_emoji.yaml": str(ROOT / "examples/emotion_emoji.yaml"),
        }
        words = [told.get(w, w) for w in shlex.split(re.sub(r"[\[\]]", " ", command))]
        if "--resume" in words:
            call(shlex.join(words), expected=2)  # the run is finished: said so, and nothing is lost
            continue
        if "run" in words:
            words += shlex.split(quick)
            words += [] if "--output" in words else ["--output", str(tmp_path / "third")]
        call(shlex.join(words))


def call(command: str, expected: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        main(shlex.split(command)[1:])
    assert int(left.value.code or 0) == expected, command


@pytest.mark.parametrize("name", READMES)
def test_its_yaml_is_valid(name: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", read(name), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        Config.model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("name", READMES)
def test_every_file_of_its_tree_exists_and_none_is_missing(name: str) -> None:
    tree = read(name).split("src/kunren/\n")[1].split("```")[0]
    named = set(re.findall(r"\b(\w+\.py)\b", tree))
    there = {p.name for p in (ROOT / "src" / "kunren").rglob("*.py")}
    assert named <= there
    rules = {"output.py", "training.py"}  # doctor/rules/, named as a folder
    commands_ = {p.name for p in (ROOT / "src" / "kunren" / "cli").glob("*.py")}
    small = {"__init__.py", "__main__.py", "nearest.py", "textfile.py", "quiet.py", "files.py"}
    small |= {"facts.py", "task_file.py", "cache.py", "format.py", "setup.py"}
    assert there - named <= rules | commands_ | small


@pytest.mark.parametrize("name", READMES)
def test_its_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", read(name)):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
