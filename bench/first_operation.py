"""`python -m bench.first_operation`: seconds from POST /runs to the first operation of an idle server.

The first operation is when the supervisor says that the gate is open: `running_at` of the run, by the clock of the
machine, less the moment at which the request was sent.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BAR_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
OVER = ("succeeded", "failed", "timed_out", "lost", "cancelled")
SPEC = {"protocol": "swap_cache", "scenario": "thread_fault", "cpus": 2, "seconds": 0.05}


def call(base: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON of an answer. Raises OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        return json.load(response)


@contextmanager
def serving(database: str) -> Iterator[str]:
    """The address of a server on a free port, up, with this database; stopped at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    environment = {**os.environ, "SWAPRACE_LOG_FORMAT": "json"}
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port), "--db", database]
    base = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    call(base, "/healthz")
                    break
                except OSError:
                    if time.monotonic() > until or server.poll() is not None:
                        raise
                    time.sleep(0.05)
            yield base
        finally:
            server.terminate()


def one(base: str) -> float:
    """Seconds from the request to the open gate of one run. Raises RuntimeError for a run that did not succeed."""
    sent = time.time()
    run = call(base, "/api/v1/runs", SPEC)
    until = time.monotonic() + PATIENCE_SECONDS
    while run["state"] not in OVER and time.monotonic() < until:
        time.sleep(0.05)
        run = call(base, f"/api/v1/runs/{run['id']}")
    if run["state"] != "succeeded":
        raise RuntimeError(f"run {run['id']} {run['state']}: {run['state_reason']}")
    return datetime.fromisoformat(run["running_at"]).timestamp() - sent


def main() -> int:
    """Command line; exit code 1 where the median is above the bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_operation", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs, one after the other (default 20)")
    parser.add_argument("--db", help="results database; a new file unless given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(options.db or f"{folder}/results.db") as base:
        one(base)  # what is read from disk the first time is read here
        seconds = sorted(one(base) for _ in range(options.runs))
    load = os.getloadavg()[0]
    print(f"POST /runs to the first operation: median {median(seconds):.3f} s, least {seconds[0]:.3f} s,", end=" ")
    print(f"most {seconds[-1]:.3f} s; {options.runs} runs, {os.cpu_count()} cores, load {load:.1f}; bar {BAR_SECONDS}")
    return int(median(seconds) > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
