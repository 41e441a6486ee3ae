"""Exporting a finished run, one way, to an experiment tracker.

``EXPORTERS`` maps a target to a lazy "module:attribute", a function of (``Content``, ``Target``)
that returns ``Exported``. Nothing here writes into the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPORTERS: Mapping[str, str] = {
    "mlflow": "kunren.export.mlflow:export",
    "trackio": "kunren.export.trackio:export",
    "tensorboard": "kunren.export.tensorboard:export",
}

REQUIRES: Mapping[str, Mapping[str, str]] = {
    "mlflow": {"mlflow": "mlflow-skinny"},
    "trackio": {"trackio": "trackio"},
    "tensorboard": {"tensorboard": "tensorboard"},
}
"""Packages that a target needs: import name → name for pip."""
