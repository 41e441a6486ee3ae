"""Where models come from, how each family reads a row, and how a prediction is read off it.

``FAMILIES`` maps the config's ``model.family`` to a lazy "module:attribute".
"""

FAMILIES = {"causal": "kunren.models.causal:Causal"}
