"""Tasks: what is asked, what counts as an answer, which metrics apply.

``TASKS`` maps the config's ``task.kind`` to a lazy "module:attribute".
"""

TASKS = {"classify": "kunren.tasks.classify:Classify"}
