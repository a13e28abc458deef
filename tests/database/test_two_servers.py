"""Dispatchers in processes of their own, on one database: every run is taken once, and no two at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from server.store import Store
from workers.spec import RunSpec

RUNS = 24
# What a dispatcher does with a claim, without the run: two servers on one host take turns, run by run.
PROGRAM = """
import json, sys
from server.processes import myself
from server.store import Store
store, mine = Store(sys.argv[1]), []
print("up", flush=True)
sys.stdin.readline()
while store.is_waiting():
    claim = store.claim(myself(), lease_seconds=15)
    if claim is None:
        continue
    live = len(store.live_attempts())
    assert store.mark_running(claim.token)
    assert store.give_up(claim.token, "failed", "code", "Sentence.")
    mine.append([claim.run_id, live])
print(json.dumps(mine))
store.close()
"""


def test_two_servers_start_no_run_twice(store: Store, database: str, checkout: Path) -> None:
    for seed in range(RUNS):
        store.create_run(RunSpec(protocol="swap_cache", seed=seed))
    command = [sys.executable, "-c", PROGRAM, database]
    pipe = subprocess.PIPE
    servers = [subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "up\n"
        for server in servers:
            assert server.stdin is not None
            server.stdin.write("go\n")
            server.stdin.flush()
        taken = [json.loads(server.communicate(timeout=120)[0]) for server in servers]
    finally:
        for server in servers:
            server.kill()
            server.wait()
    assert sorted(run_id for mine in taken for run_id, _ in mine) == list(range(1, RUNS + 1))
    assert {live for mine in taken for _, live in mine} == {1}
    assert all(run.attempts == 1 for run in store.list_runs(limit=RUNS)[0])
