"""`python -m bench.lists --db DATABASE`: latencies of lists and comparisons under 50 Locust users.

The database is one of `python -m bench.database`, a SQLite file or PostgreSQL. Locust and the server share the machine.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.first_operation import ROOT, serving

BAR_MS = 100.0
SPAWNED_A_SECOND = 5  # users come one after the other; figures begin when all are there
USERS_FILE = Path(__file__).with_name("lists_users.py")


def load(base: str, users: int, seconds: int, pause: float, folder: str) -> list[dict[str, str]]:
    """Locust's rows of statistics, one a kind of request, the last all together. Raises RuntimeError."""
    command = [sys.executable, "-m", "locust", "-f", str(USERS_FILE), "--headless", "--only-summary", "--host", base]
    command += ["-u", str(users), "-r", str(SPAWNED_A_SECOND), "-t", f"{seconds}s", "--reset-stats"]
    command += ["--csv", f"{folder}/load"]
    environment = {**os.environ, "BENCH_PAUSE_SECONDS": str(pause)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    path = Path(folder, "load_stats.csv")
    if not path.exists():
        raise RuntimeError(f"Locust left no statistics: {done.stderr[-2000:]}")
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def main() -> int:
    """Command line; exit code 1 where the 99th percentile is above the bar or a request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--db", required=True, help="database of `python -m bench.database`")
    parser.add_argument("--users", type=int, default=50, help="Locust users (default 50)")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two looks of a user (default 2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(options.db) as base:
        rows = load(base, options.users, options.seconds, options.pause, folder)
    heads = ("number", "failed", "a second", "p50 ms", "p95 ms", "p99 ms", "most ms")
    print(f"{'request':<24}" + "".join(f"{head:>10}" for head in heads))
    for row in rows:
        rate, most = float(row["Requests/s"]), float(row["Max Response Time"])
        cells = (
            row["Request Count"],
            row["Failure Count"],
            f"{rate:.1f}",
            row["50%"],
            row["95%"],
            row["99%"],
            f"{most:.0f}",
        )
        print(f"{row['Name']:<24}" + "".join(f"{cell:>10}" for cell in cells))
    whole = rows[-1]
    print(f"{options.users} users, {options.seconds} s, pauses of {options.pause:g} s,", end=" ")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; bar: p99 {BAR_MS:g} ms, no failure")
    return int(float(whole["99%"]) > BAR_MS or int(whole["Failure Count"]) > 0)


if __name__ == "__main__":
    sys.exit(main())
