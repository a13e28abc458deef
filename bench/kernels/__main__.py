"""`python -m bench.kernels lazyfree`: one program of `guest/` in every kernel, or in those that are named."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.kernels.guest import GuestError, play, require_commands
from bench.kernels.packages import KERNELS, PackageError

PROGRAMS = {
    "lazyfree": "a child's MADV_FREE and its parent's only copy (museum 39)",
    "reused": "a swap-in of 16 pages one slot of which changes hands (race large_fault_reused)",
}


def cache_folder() -> Path:
    """Where fetched kernels stay: $XDG_CACHE_HOME/swaprace/kernels."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swaprace" / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    parser.add_argument(
        "program", choices=PROGRAMS, help="; ".join(f"{name}: {what}" for name, what in PROGRAMS.items())
    )
    parser.add_argument("arguments", nargs="*", help="the program's own: reused [ROUNDS [LONGEST_DELAY_US]]")
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="a kernel; all of them unless told")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one guest (600)")
    options = parser.parse_args()
    failed = 0
    try:
        require_commands()
        for version in options.kernel or KERNELS:
            print(f"{version} ({KERNELS[version].protocol or 'no protocol of ours'})", flush=True)
            folder = Path(tempfile.mkdtemp(prefix="swaprace-kernel-"))
            try:
                told = play(
                    KERNELS[version], [options.program, *options.arguments], cache_folder(), folder, options.timeout
                )
            except (GuestError, PackageError) as error:
                failed += 1
                print(f"  error: {error}", flush=True)
                continue
            for line in told:
                print(f"  {line.removeprefix('row: ')}", flush=True)
    except GuestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
