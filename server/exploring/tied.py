"""`python tied.py PARENT COMMAND..`: become COMMAND, which the kernel kills when the thread that started it ends.

A program of its own, since nothing may run between fork and exec in a process with threads. It imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); kept across exec


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and become `command`."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() == parent:  # else it has ended before, and no signal comes
        os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
