from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kunren.models.packages import PACKAGES

GEMMA = "package:gemma-3-270m"


def kunren(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kunren", "--lang", "en", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )


def test_the_list(kunren_home: Path) -> None:
    done = kunren("models")
    assert done.returncode == 0
    for source in PACKAGES.values():
        assert f"package:{source.name}" in done.stdout
        assert f"{source.download_bytes / 1e6:.0f} MB" in done.stdout
        assert source.licence in done.stdout
        assert f"kunren models get {source.name}" in done.stdout
    assert "238 MB" in done.stdout
    assert "https://ai.google.dev/gemma/terms" in done.stdout
    assert "kunren models get gemma-3-270m" in done.stdout
    (kunren_home / "models" / PACKAGES["gemma-3-270m"].key).mkdir(parents=True)
    assert str(kunren_home) in kunren("models").stdout.replace("\n", "")


def test_the_list_as_json() -> None:
    done = kunren("models", "--format", "json")
    models = {model["id"]: model for model in json.loads(done.stdout)["models"]}
    assert done.stderr == ""
    model = models[GEMMA]
    assert model["cached"] is False
    assert model["path"] is None
    assert model["download_bytes"] == 238_203_400
    licences = {name: model["licence"] for name, model in models.items()}
    assert licences == {
        GEMMA: "Gemma Terms of Use",
        "package:multilingual-e5-small": "MIT",
        "package:smollm2-135m": "Apache-2.0",
    }


def test_get_what_is_cached(kunren_home: Path) -> None:
    folder = kunren_home / "models" / PACKAGES["gemma-3-270m"].key
    folder.mkdir(parents=True)
    for name in ("gemma-3-270m", GEMMA):
        done = kunren("models", "get", name, "--format", "json")
        assert json.loads(done.stdout)["path"] == str(folder)
    assert str(folder) in kunren("models", "get", GEMMA).stdout.replace("\n", "")


def test_get_what_there_is_not() -> None:
    done = kunren("models", "get", "gemma-270m")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "package:gemma-3-270m" in done.stderr


def test_the_list_needs_no_torch() -> None:
    script = """
import sys
from kunren.cli import main
try:
    main(["models"])
except SystemExit as done:
    assert not done.code
assert not {"torch", "transformers", "huggingface_hub"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
