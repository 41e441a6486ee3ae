"""Runs the code of model cards where there is no kunren: ``open_cards.py WANTED.json FOLDER``.

Prints, for each card, what its ``answer`` says to each question, and what it says with the merged
model in the place of base and adapter.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

sys.modules["kunren"] = None  # type: ignore[assignment]


def main(wanted: Path, folder: Path) -> None:
    said = []
    for one in json.loads(wanted.read_text("utf-8")):
        os.chdir(one["run"])
        code = re.findall(r"^`{5}python\n(.*?)^`{5}$", one["card"], re.MULTILINE | re.DOTALL)[0]
        # What the card asks of its reader: to name the base's folder.
        code = re.sub(r"^base = '", f"base = '{folder}/", code, flags=re.MULTILINE)
        space: dict[str, Any] = {"__name__": "card"}
        exec(compile(code, one["kind"], "exec"), space)  # noqa: S102
        found = {"said": _answers(space, one["rows"])}
        if one["merged"]:
            opened = re.findall(r"model = (Auto\w+)", code)[0]
            space["model"] = space[opened].from_pretrained("merged").eval()
            found["said_merged"] = _answers(space, one["rows"])
        said.append(found)
    print(json.dumps(said))


def _answers(space: dict[str, Any], rows: list[dict[str, Any]]) -> list[Any]:
    return [space["answer"](row["text"], **row["columns"]) for row in rows]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
