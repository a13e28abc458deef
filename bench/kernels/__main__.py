"""`python -m bench.kernels lazyfree`: one program of `guest/` in every kernel, or in those that are named."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.kernels.guest import GuestError, play, require_commands
from bench.kernels.packages import KERNELS, PackageError

PROGRAMS = {
    "lazyfree": "a child's MADV_FREE and its parent's only copy (museum 39)",
    "losers": "how long the second thread waits that faults a page",
    "reused": "a swap-in of 16 pages one slot of which changes hands (race large_fault_reused)",
}


def cache_folder() -> Path:
    """Where fetched kernels stay: $XDG_CACHE_HOME/swaprace/kernels."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swaprace" / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def played(version: str, program: Sequence[str], timeout: float) -> bool:
    """Print what one kernel tells; False where it told nothing whole. Its folder stays then, for the console."""
    folder = Path(tempfile.mkdtemp(prefix="swaprace-kernel-"))
    print(f"{version} ({KERNELS[version].protocol or 'no protocol of ours'})", flush=True)
    try:
        for line in play(KERNELS[version], program, cache_folder(), folder, timeout):
            print(f"  {line.removeprefix('row: ')}", flush=True)
    except (GuestError, PackageError, subprocess.CalledProcessError) as error:
        print(f"  error: {error}", flush=True)
        return False
    shutil.rmtree(folder)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    told = "; ".join(f"{name}: {what}" for name, what in PROGRAMS.items())
    parser.add_argument("program", choices=PROGRAMS, help=told)
    parser.add_argument("arguments", nargs="*", help="of losers and reused: [ROUNDS [LONGEST_DELAY_US]]")
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="a kernel; all of them unless told")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one guest (600)")
    options = parser.parse_args()
    try:
        require_commands()
    except GuestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    program = [options.program, *options.arguments]
    ended = [played(version, program, options.timeout) for version in options.kernel or KERNELS]
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
