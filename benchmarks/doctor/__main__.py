"""``python -m benchmarks.doctor``: plant faults, print which doctor found what, and when."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path


def _settle() -> str:
    """Before anything is imported: no hub, one thread (the models are tiny), an own cache."""
    home = tempfile.mkdtemp(prefix="doctor-home-")
    os.environ |= {
        "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
        "KUNREN_HOME": home,
    }  # fmt: skip
    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "src")]
    return home


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
    asked.add_argument("--only", action="append", default=[], metavar="NAME", help="only this case")
    asked.add_argument("--list", action="store_true", help="name the cases, and run none")
    asked.add_argument("--jobs", type=int, default=2, help="how many run at once (2)")
    asked.add_argument("--output", type=Path, help="folder for results.md and results.json")
    options = asked.parse_args()
    home = _settle()
    try:
        _work(options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _work(options: argparse.Namespace) -> None:
    from benchmarks.doctor import peer, run, table

    if options.list:
        print("\n".join(case.name for case in run.CASES))
        return
    try:
        cases = run.chosen(options.only)
    except KeyError as error:
        sys.exit(f"no such case: {error} (--list names them)")
    if peer.version() is None:
        print(f"finetune-doctor is not installed: {peer.INSTALL}", file=sys.stderr)
    measured = []
    for number, (case, outcome) in enumerate(run.outcomes(cases, options.jobs), start=1):
        measured.append((case, outcome))
        where = f"[{number}/{len(cases)}] {case.name}: {outcome.seconds:.1f} s"
        print(where, file=sys.stderr, flush=True)
        if options.output:  # after each, so that an interrupted run leaves what it found
            options.output.mkdir(parents=True, exist_ok=True)
            told = table.markdown(measured)
            (options.output / "results.md").write_text(told, encoding="utf-8")
            found = json.dumps(table.as_json(measured), ensure_ascii=False, indent=2)
            (options.output / "results.json").write_text(found + "\n", encoding="utf-8")
    print(table.markdown(measured))


if __name__ == "__main__":
    main()
