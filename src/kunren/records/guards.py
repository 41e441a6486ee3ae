"""``guards.json``: what was told while training ran, and how the validation rows were answered.

``{"notices": [{"slug", "step", "epoch", "message"}], "answers": [{"epoch", "label", "share",
"gold_share", "distinct", "gold_distinct", "collapsed"}]}``; see ``training/watch.py`` and
``evaluation/collapse.py``.
"""

from __future__ import annotations

NAME = "guards.json"
