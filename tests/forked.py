"""The reload check in a forked process, for tests that do many whole runs.

It loads and answers as the fresh process does, but without seconds of imports; the fresh process
itself is tested in tests/models/test_verify.py, and runs in every test that calls a command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

from kunren.models import verify


def ask_forked_process(request: Path) -> subprocess.CompletedProcess[str]:
    """In place of ``verify._ask_fresh_process``."""
    child = os.fork()
    if not child:
        # As subprocess does: else this process would hold the run's lock after its parent's death.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        try:
            verify._answer(request)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return subprocess.CompletedProcess([], os.waitstatus_to_exitcode(status), "", "")
