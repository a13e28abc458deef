"""Runs that clients drive, without a server: claims, batches, attachment, and what a client may do wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shm.segment import entries
from workers.batch import MAX_OPERATIONS, NUMBERS, Refused, ask, connected, operate, packed, unpacked
from workers.executors.attachment import Attachment
from workers.spec import RunSpec

NS = 1_000_000_000
PATIENCE_SECONDS = 30.0
LOADS = [{"op": "load", "mm": 0, "page": page % 128} for page in range(MAX_OPERATIONS)]

# A client in a process of its own: it attaches, says so, and plays for ever, so that a kill meets it in an operation.
CLIENT = """
import sys
from workers.batch import packed
from workers.executors.attachment import Attachment
from workers.spec import RunSpec
attachment = Attachment(sys.argv[1], RunSpec.model_validate_json(sys.argv[2]))
steps = packed([{"op": "store", "mm": 0, "page": page % 128} for page in range(1000)] if len(sys.argv) < 4 else [])
attachment.play(steps, 10**9)
print(attachment.cpu, flush=True)
while True:
    attachment.play(steps, 10**9)
"""


def states(segment: str) -> list[str]:
    """Who drives the CPUs."""
    return [cpu["state"] for cpu in ask(segment, {"do": "status"})["cpus"]]


def until(true: Callable[[], object], what: str) -> None:
    """Look until it is true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.01)


def lease(segment: str, cpu: int | None = None, lease_ms: int = 10_000) -> tuple[int, str]:
    """Claim a CPU by lease."""
    told = ask(segment, {"do": "claim", "cpu": cpu, "lease_ms": lease_ms})
    return told["cpu"], told["claim"]


def client(driven: Any, checkout: Path, *more: str) -> subprocess.Popen[bytes]:
    """A client process that is a CPU."""
    command = [sys.executable, "-c", CLIENT, driven.segment, driven.spec.model_dump_json(), *more]
    process = subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    if not process.stdout.readline().strip().isdigit():
        end(process)
        raise AssertionError(f"the client ended with {process.returncode}")
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def stat_of(pid: int) -> str:
    """State of a process: proc(5), field 3 of stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_numbers_of_operations_are_those_of_the_core() -> None:
    from workers.workloads.script import OPERATIONS

    assert {name: OPERATIONS[name][0] for name in NUMBERS} == NUMBERS


def test_a_batch_comes_back_with_latencies_and_what_it_was(driven: Callable[..., Any]) -> None:
    run = driven(memcg={"limit_pages": 200})
    cpu, token = lease(run.segment)
    steps: list[dict[str, Any]] = [
        {"op": "load", "page": 1},
        {"op": "pageout", "page": 0, "pages": 128},
        {"op": "load", "page": 1},
        {"op": "swapoff"},
        {"op": "swapoff"},
        {"op": "swapon"},
        {"op": "exit", "mm": 0},
        {"op": "load", "page": 1},
        {"op": "mm_init", "mm": 0},
        {"op": "store", "page": 1},
    ]
    played_on, how, done = operate(run.segment, token, packed(steps), NS, 5)
    assert (played_on, how, len(done)) == (cpu, "played", len(steps))
    assert [each.result for each in done] == [0, 128, 0, 0, done[4].result, 0, 0, -3, 0, 0]
    assert done[4].result < 0
    assert [done[i].outcome for i in (0, 2, 9)] == [0, 1, 2]  # a hit, a swap-in, a page filled with zeroes
    assert done[2].latency_ns >= run.spec.device.read_ns
    assert all(each.latency_ns > 0 for each in done)
    ask(run.segment, {"do": "finish"})
    outcome = run.outcome()
    assert (outcome.status, outcome.events["swapoffs"]) == ("succeeded", 1)
    assert outcome.histograms["swap_in"].total == outcome.metrics["swap_ins"]
    assert outcome.laws_checked


@pytest.mark.parametrize(
    ("operation", "field", "largest"),
    [
        ({"op": "load", "page": 128}, "page", 127),
        ({"op": "store", "mm": 1, "page": 0}, "mm", 0),
        ({"op": "pageout", "page": 100, "pages": 29}, "pages", 28),
        ({"op": "fork", "mm": 0, "child": 9}, "child", 0),
    ],
)
def test_numbers_out_of_range_are_told(
    driven: Callable[..., Any], operation: dict[str, Any], field: str, largest: int
) -> None:
    run = driven()
    _, token = lease(run.segment)
    with pytest.raises(Refused) as refused:
        operate(run.segment, token, packed([{"op": "load", "page": 0}, operation]), NS, 5)
    assert refused.value.answer | {"index": 1, "field": field, "largest": largest} == refused.value.answer
    assert operate(run.segment, token, packed([{"op": "load", "page": 0}]), NS, 5)[1] == "played"


def test_a_budget_ends_a_batch(driven: Callable[..., Any]) -> None:
    run = driven(device={"read_ns": 1_000_000})
    _, token = lease(run.segment)
    _, how, done = operate(run.segment, token, packed(LOADS), 10_000_000, 5)
    assert how == "out_of_time"
    assert 1 <= len(done) < 100


def test_every_cpu_has_one_driver(driven: Callable[..., Any]) -> None:
    run = driven()
    (first, token), (second, _) = lease(run.segment), lease(run.segment)
    assert {first, second} == {0, 1}
    with pytest.raises(Refused, match="every CPU"):
        lease(run.segment)
    ask(run.segment, {"do": "release", "claim": token})
    until(lambda: "free" in states(run.segment), "the CPU is free again")
    with Attachment(run.segment, run.spec, first), pytest.raises(Refused, match="claimed already"):
        lease(run.segment, first)
    with pytest.raises(Refused, match="CPUs 0 to 1"):
        lease(run.segment, 2)


def test_a_lease_runs_out_and_the_cpu_is_free(driven: Callable[..., Any]) -> None:
    run = driven()
    cpu, token = lease(run.segment, lease_ms=100)
    until(lambda: states(run.segment)[cpu] == "free", "the lease is over")
    with pytest.raises(Refused) as refused:
        operate(run.segment, token, packed(LOADS), NS, 5)
    assert refused.value.code == "claim_lost"


def test_an_attached_client_plays_and_gives_back(driven: Callable[..., Any]) -> None:
    run = driven()
    with Attachment(run.segment, run.spec) as attachment:
        assert states(run.segment)[attachment.cpu] == "attached"
        how, results = attachment.play(packed(LOADS), NS)
        assert how == "played"
        assert sum(done.outcome == 1 for done in unpacked(results)) > 0
    until(lambda: states(run.segment) == ["free", "free"], "the CPU is given back")
    ask(run.segment, {"do": "finish"})
    assert run.outcome().status == "succeeded"


def test_two_threads_are_two_cpus(driven: Callable[..., Any]) -> None:
    """The GIL is released: both play at once, on the same pages, and the laws hold."""
    run = driven(protocol="has_cache", seconds=20)
    ends: list[str] = []

    def be(attachment: Attachment) -> None:
        ends.extend(attachment.play(packed(LOADS), NS)[0] for _ in range(20))

    with Attachment(run.segment, run.spec) as one, Attachment(run.segment, run.spec) as other:
        threads = [threading.Thread(target=be, args=(each,)) for each in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends == ["played"] * 40
    ask(run.segment, {"do": "finish"})
    outcome = run.outcome()
    assert (outcome.status, outcome.events["operations"]) == ("succeeded", 40_000)


def test_the_end_of_the_run_takes_the_cpu_away(driven: Callable[..., Any]) -> None:
    run = driven(seconds=0.3)
    with Attachment(run.segment, run.spec) as attachment:
        ends = set()
        while "stopped" not in ends:
            ends.add(attachment.play(packed(LOADS), NS)[0])
        outcome = run.outcome()
        assert outcome.status == "succeeded"
        assert attachment.play(packed(LOADS), NS) == ("stopped", b"")
    with pytest.raises(Refused) as late:
        ask(run.segment, {"do": "status"})
    assert late.value.code == "not_running"


def test_a_client_that_dies_at_rest_leaves_a_free_cpu(driven: Callable[..., Any], checkout: Path) -> None:
    run = driven()
    process = client(run, checkout, "idle")
    end(process)
    until(lambda: states(run.segment) == ["free", "free"], "the CPU is free again")
    ask(run.segment, {"do": "finish"})
    assert run.outcome().status == "succeeded"


def test_a_client_that_dies_in_an_operation_ends_the_run_as_lost(driven: Callable[..., Any], checkout: Path) -> None:
    """Another client waits meanwhile for what the dead one holds: it comes out, and says that the run is dead."""
    run = driven(device={"read_ns": 50_000})
    ends: list[str] = []

    def be(attachment: Attachment) -> None:
        try:
            while True:
                attachment.play(packed(LOADS), NS)
        except Refused as refused:
            ends.append(refused.code)

    process = client(run, checkout)
    with Attachment(run.segment, run.spec) as attachment:
        thread = threading.Thread(target=be, args=(attachment,))
        thread.start()
        began = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        outcome = run.outcome()
        took = time.monotonic() - began
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    end(process)
    assert (outcome.status, outcome.reason_code) == ("lost", "client_died")
    assert outcome.evidence["client"]["pid"] == process.pid
    assert outcome.evidence["client"]["doing"] == "store"
    assert took < 5
    assert ends in (["abandoned"], ["claim_lost"])
    assert not [name for name in entries() if name in run.segment]


def test_a_client_stopped_in_an_operation_does_not_hang_the_run(driven: Callable[..., Any], checkout: Path) -> None:
    run = driven(seconds=1, device={"read_ns": 50_000})
    process = client(run, checkout)

    def stopped_in_the_middle() -> bool:
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: stat_of(process.pid) == "T", "it is stopped")
        if ask(run.segment, {"do": "status"})["cpus"][0]["doing"] == "store":
            return True
        os.kill(process.pid, signal.SIGCONT)
        return False

    until(stopped_in_the_middle, "the client is stopped in the middle of an operation")
    outcome = run.outcome()
    end(process)
    assert (outcome.status, outcome.reason_code) == ("lost", "client_stuck")


def test_a_dead_supervisor_frees_its_clients(driven: Callable[..., Any]) -> None:
    """SIGKILL of the supervisor: nobody says stop, and the client comes out of whatever it waits for."""
    run = driven(protocol="has_cache")
    ends: list[str] = []

    def be(attachment: Attachment) -> None:
        try:
            while True:
                attachment.play(packed(LOADS), NS)
        except Refused as refused:
            ends.append(refused.code)

    _, token = lease(run.segment, 0)
    with Attachment(run.segment, run.spec) as attachment:
        thread = threading.Thread(target=be, args=(attachment,))
        thread.start()
        operate(run.segment, token, packed(LOADS), NS, 5)
        run.process.kill()
        run.process.wait()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    assert ends == ["abandoned"]


def test_a_cancel_ends_it_with_a_client_attached(driven: Callable[..., Any]) -> None:
    run = driven()
    with Attachment(run.segment, run.spec):
        run.tell({"command": "cancel"})
        assert run.outcome().status == "cancelled"


def test_a_caller_that_says_nothing_or_nonsense_is_hung_up_on(driven: Callable[..., Any]) -> None:
    run = driven()
    with connected(run.segment, 5) as silent, connected(run.segment, 5) as mad:
        mad.send(b"\xff not json")
        assert mad.recv(100) == b""
        assert silent.recv(100) == b""
    with pytest.raises(Refused, match="no request"):
        ask(run.segment, {"do": "dance"})
    _, token = lease(run.segment)
    with pytest.raises(Refused, match="no batch"):
        operate(run.segment, token, b"x" * 31, NS, 5)
    assert operate(run.segment, token, packed(LOADS), NS, 5)[1] == "played"


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"executor": "cooperative"}, "driver=external needs"), ({"swapoff_every_ms": 10}, "belongs to driver=scenario")],
)
def test_what_a_driven_run_cannot_be(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        RunSpec.model_validate({"protocol": "swap_cache", "driver": "external", **fields})
