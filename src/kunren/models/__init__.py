"""Where models come from, how each family reads a row, and how a prediction is read off it.

``FAMILIES`` maps the config's ``model.family`` to a lazy "module:attribute".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kunren.models.causal import Causal
    from kunren.models.load import Loaded

FAMILIES = {"causal": "kunren.models.causal:Causal"}


def make_family(name: str, loaded: Loaded) -> Causal:
    """The family ``name`` around a loaded model."""
    module, _, attribute = FAMILIES[name].partition(":")
    return cast("Causal", getattr(import_module(module), attribute)(loaded))
