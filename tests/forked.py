"""The reload check in a forked process, for tests that do many whole runs.

It loads and answers as the fresh process does, but without seconds of imports; the fresh process
itself is tested in tests/models/test_verify.py, and runs in every test that calls a command.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import torch

from kunren.models import verify

_PATIENCE = 60
"""Seconds after which the child is taken to hang, and ends with its traceback; it needs one."""


def ask_forked_process(request: Path) -> subprocess.CompletedProcess[str]:
    """In place of ``verify._ask_fresh_process``."""
    child = os.fork()
    if not child:
        # As subprocess does: else this process would hold the run's lock after its parent's death.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        # The threads of OpenMP's pool are not in a forked process, and who waits for them waits
        # for ever: whole test runs once hung here, by whether the parent had used its pool.
        torch.set_num_threads(1)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        # Not dump_traceback_later: it waits for the thread that pytest's own timeout has.
        faulthandler.register(signal.SIGALRM, file=2, chain=True)
        signal.alarm(_PATIENCE)
        try:
            verify._answer(request)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return subprocess.CompletedProcess([], os.waitstatus_to_exitcode(status), "", "")
