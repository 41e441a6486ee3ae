"""How long ``make demo`` takes after installation, stage by stage. Prints; asserts nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "kunren", "run", "examples/emotion_emoji.yaml"]
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--output", output, "--format", "json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds = time.monotonic() - begun
        run = Path(json.loads(done.stdout)["run"])
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    print("\n## Time of the demo after installation\n")
    print("| stage | seconds |\n|---|---|")
    for stage, taken in manifest["timings"].items():
        print(f"| {stage} | {taken:.1f} |")
    print(f"| whole command | {seconds:.1f} |")


if __name__ == "__main__":
    main()
