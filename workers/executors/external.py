"""A run that clients drive: its CPUs stand ready, and do what comes in batches over the run's control socket.

A CPU by lease is driven by its worker process, to which the supervisor hands each connection with a batch. A CPU by
attachment is driven by the client's own process on the segment, for as long as its connection stands; its worker sleeps
meanwhile. Who may be the CPU says one word of its block (workers/executors/player.pxd).
"""

from __future__ import annotations

import contextlib
import mmap
import socket
import time
from typing import Any

from workers.batch import MAX_MESSAGE_BYTES, message, opened, refusal
from workers.executors.core import Core, Program
from workers.executors.gate import Gate
from workers.executors.player import Player
from workers.executors.processes import Crew, grace_ns
from workers.executors.reception import Reception
from workers.executors.watch import Watch
from workers.spec import RunSpec

PATIENCE_SECONDS = 1.0  # for a client to take the answer to its batch
LOOK_NS = 10_000_000  # how often a CPU that is to be taken away is looked at


class ExternalCrew(Crew):
    """The workers of a run that clients drive. `name` is the segment's."""

    def __init__(self, name: str, core: Core, spec: RunSpec, buf: mmap.mmap, workers: int, watch: Watch) -> None:
        super().__init__(core, spec, buf, workers, watch)
        self.reception = Reception(name, spec, buf)

    def drive(self, program: Program, cpu: int) -> int:
        """Play batches until the reception closes; the CPUs that attend devices serve as ever."""
        desk = self.reception.desk_of(cpu)
        if desk is not None:
            serve_batches(Player(program), desk)  # type: ignore[arg-type]
        return program.run()  # the stop word is set: it leaves in order

    def filenos(self) -> list[int]:
        return self.reception.filenos()

    def race(self, gate: Gate) -> int:
        """As Crew.race; the run ends early when a client says that it is finished.

        Also raises Ended (lost, client_died or client_stuck) when a client that was a CPU left in the middle of an
        operation.
        """
        self.opened_ns = time.monotonic_ns()
        gate.open(self.spec.cpus)
        until_ns = self.opened_ns + int(self.spec.seconds * 1e9)
        while not self.reception.finished and self._running(self.spec.cpus) and not self.faults():
            if not self._attend(until_ns):
                break
        self.core.set_stop(self.buf)
        self.reception.stop()
        until_ns = time.monotonic_ns() + grace_ns(self.spec)
        while not self.reception.at_rest():
            if not self._attend(until_ns):
                raise self.reception.stuck()
        self.reception.send_home()
        while self._running(self.size):
            if not self._step(until_ns):
                raise self._stuck()
        return max(worker.left_ns or 0 for worker in self.workers) - self.opened_ns

    def dismiss(self) -> None:
        """Hang up on all clients, too."""
        self.reception.close()
        super().dismiss()

    def _attend(self, until_ns: int) -> bool:
        """Wait for what happens next, in the crew or at the reception. False when `until_ns` has come."""
        due_ns = self.reception.due_ns(LOOK_NS)
        self._step(until_ns if due_ns is None else min(until_ns, due_ns))
        self.reception.attend()
        return time.monotonic_ns() < until_ns


def serve_batches(player: Player, desk: socket.socket) -> None:
    """Be the worker of a CPU: take batches from the reception, each with its client's connection, play and answer."""
    while True:
        data, filenos, _, _ = socket.recv_fds(desk, MAX_MESSAGE_BYTES, 1)
        if not data:
            return
        order, steps = opened(data)
        with socket.socket(fileno=filenos[0]) as client:
            told, results = played(player, steps, order["claim"], order["budget_ns"])
            client.settimeout(PATIENCE_SECONDS)
            with contextlib.suppress(OSError):  # the client has gone meanwhile: nothing of it is lost but its answer
                client.send(message({**told, "cpu": order["cpu"]}, results))


def played(player: Player, steps: bytes, claim: int, budget_ns: int) -> tuple[dict[str, Any], bytes]:
    """The answer to a batch, and its results. A batch with a number out of range is refused as a whole."""
    try:
        fault = player.fault(steps)
    except ValueError as error:
        return refusal("bad_batch", str(error)), b""
    if fault is not None:
        index, field, largest = fault
        detail = f"operation {index}: {field} is out of range; the largest that is right here is {largest}"
        return refusal("out_of_range", detail, index=index, field=field, largest=largest), b""
    results, end = player.play(steps, claim, budget_ns)
    if end == "claim_lost" and not results:
        return refusal("claim_lost", "the CPU is no longer this client's"), b""
    return {"ok": True, "end": end}, results
