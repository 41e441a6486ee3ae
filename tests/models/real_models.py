"""The real models in the cache, for tests marked ``real_model``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kunren.models.packages import PACKAGES


def cached(name: str) -> Path:
    """The folder of a package; skips the test where it was not fetched, and fails it in CI."""
    folder = PACKAGES[name].cached
    if folder is None:
        said = f"the real model is not in the cache: kunren models get {name}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    return folder
