"""A simulation as a process: its spec on standard input, an event a line on standard output, SIGTERM to cancel.

Exit code 0 whenever an outcome was printed, 2 for a spec that cannot be read, 1 when nobody reads what is said.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

from pydantic import ValidationError

from shm.errors import GeometryError
from workers.environment import collect
from workers.executors.child import die_with_parent
from workers.simulation.cell import play
from workers.simulation_spec import Cell, SimulationEvent, SimulationOutcome, SimulationSpec

OK, FAILED_TO_TELL, BAD_SPEC = 0, 1, 2
MAX_LINE_BYTES = 1 << 20
PROGRESS_SECONDS = 0.2
STUCK_SECONDS = 60.0  # without an event: a loop that has no scheduling point in it


class Session:
    """One simulation from its spec to its outcome."""

    def __init__(self, spec: SimulationSpec) -> None:
        self.spec = spec
        self.cells: list[Cell] = []
        self.cancel = threading.Event()
        self._told_at = 0.0
        self._alive_at = time.monotonic()

    def say(self, event: SimulationEvent) -> None:
        """One line. A reader that is gone cancels."""
        try:
            sys.stdout.write(event.model_dump_json(exclude_none=True) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.cancel.set()

    def run(self) -> SimulationOutcome:
        """Cell after cell: numbers of CPUs in the order given, and of each all protocols."""
        threading.Thread(target=self._watch, daemon=True).start()
        environment = collect(self.spec.protocols[0])
        status, reason = "completed", "every cell came to its end, and every law that was checked held"
        for cpus in self.spec.cpus:
            for protocol in self.spec.protocols:
                try:
                    cell = play(self.spec, protocol, cpus, self.cancel.is_set, self._progress(protocol, cpus))
                except (GeometryError, ValueError, MemoryError, RuntimeError, LookupError) as error:
                    return self._outcome("failed", f"{protocol} on {cpus} CPUs: {error}", environment)
                if self.cancel.is_set():
                    return self._outcome("cancelled", "cancelled by a signal, or nobody listened any more", environment)
                self.cells.append(cell)
                self.say(SimulationEvent(event="cell", cell=cell))
        broken = [f"{each.protocol} on {each.cpus} CPUs" for each in self.cells if each.violations]
        if broken:
            status, reason = "invalid", f"laws were violated by {', '.join(broken)}"
        return self._outcome(status, reason, environment)

    def _outcome(self, status: Any, reason: str, environment: dict[str, Any]) -> SimulationOutcome:
        return SimulationOutcome(
            status=status, reason=reason, cells=self.cells, model=self.spec.model, environment=environment
        )

    def _progress(self, protocol: str, cpus: int) -> Any:
        def report(virtual_ns: int, events: int) -> None:
            self._alive_at = now = time.monotonic()
            if now - self._told_at >= PROGRESS_SECONDS:
                self._told_at = now
                self.say(
                    SimulationEvent(
                        event="progress", protocol=protocol, cpus=cpus, virtual_ns=virtual_ns, events=events
                    )
                )

        self._alive_at = time.monotonic()
        return report

    def _watch(self) -> None:
        """End the process where the simulation is caught in a loop without a scheduling point."""
        while True:
            time.sleep(1.0)
            if time.monotonic() - self._alive_at > STUCK_SECONDS:
                reason = f"no event for {STUCK_SECONDS:g} s: some loop of the core has no scheduling point in it"
                self.say(SimulationEvent(event="outcome", outcome=self._outcome("failed", reason, {})))
                os._exit(OK)


def read_spec() -> SimulationSpec:
    """The first line of standard input. Raises ValueError that says what is wrong."""
    line = sys.stdin.buffer.readline(MAX_LINE_BYTES)
    try:
        return SimulationSpec.model_validate_json(line)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'the spec'}: {each['msg']}" for each in error.errors()[:5]]
        raise ValueError("; ".join(wrong)) from error


def main() -> int:
    """Be the process of one simulation; the exit code."""
    die_with_parent(signal.SIGTERM, os.getppid())
    try:
        session = Session(read_spec())
    except ValueError as error:
        outcome = SimulationOutcome(status="failed", reason=str(error))
        print(SimulationEvent(event="outcome", outcome=outcome).model_dump_json(), flush=True)
        return BAD_SPEC
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: session.cancel.set())
    event = SimulationEvent(event="outcome", outcome=session.run())
    try:
        print(event.model_dump_json(), flush=True)
    except BrokenPipeError:
        return FAILED_TO_TELL
    return OK
