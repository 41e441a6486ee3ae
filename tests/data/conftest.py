"""Property tests on a machine that others use too: no time limit for one example."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
