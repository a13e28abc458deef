"""Real CPUs: one forked process each, over one segment, in real time.

A `Crew` forks them, gathers them at the start gate, lets them run, stops them, and sees each of them out. It watches
every one through its pidfd: a CPU that dies leaves locks held that nobody will free, so its death ends the attempt.
The segment is then thrown away, never repaired and measured on.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from workers.executors.child import CHILD_RAISED, Child, Lines, kill_all, write_line
from workers.executors.core import Core, Program
from workers.executors.gate import Gate
from workers.executors.watch import Ended, Watch
from workers.spec import RunSpec

START_NS = 300_000_000_000  # fork to gate: 2 ms a CPU, but CPU 0 fills the memory of the run, swap and all
GRACE_NS = 2_000_000_000  # stop to leaving, on a loaded machine, with every lock contended
GRACE_WAITS = 64  # and this many reads, writes and ticks one after the other: a batch of reclaim, a readahead, retries


@dataclass
class Worker:
    """One worker process. `left_ns` (CLOCK_MONOTONIC) and `code` are set when its program has returned."""

    cpu: int
    child: Child
    ready: bool = False
    code: int | None = None
    left_ns: int | None = None
    error: str | None = None


def grace_ns(spec: RunSpec) -> int:
    """How long after stop a CPU may take to leave before it counts as stuck."""
    slowest = max(device.read_ns + device.write_ns + device.discard_ns * device.discard for device in spec.devices)
    kept = spec.zswap.store_ns + spec.zswap.load_ns if spec.zswap.pool_pages else 0
    return GRACE_NS + GRACE_WAITS * (slowest + kept + 1_000_000_000 // spec.hz)


class Crew:
    """The worker processes of one run. Whoever makes it calls `dismiss` in the end, whatever happens between."""

    def __init__(self, core: Core, spec: RunSpec, buf: mmap.mmap, workers: int, watch: Watch) -> None:
        self.core = core
        self.spec = spec
        self.buf = buf
        self.size = workers
        self.watch = watch
        self.workers: list[Worker] = []
        self.opened_ns: int | None = None
        self._lines = Lines()

    def gather(self, gate: Gate) -> None:
        """Fork every worker and return when the memory is filled and all CPUs are before the closed gate.

        Those that attend devices pass by the gate: they serve while CPU 0 fills the memory. Raises Ended if one dies or
        raises on its way, or does not come within START_NS.
        """
        for cpu in range(self.size):
            self.workers.append(Worker(cpu, Child.fork(partial(self._work, cpu, gate))))
        until_ns = time.monotonic_ns() + START_NS
        while not all(worker.ready for worker in self.workers):
            if not self._step(until_ns):
                late = [worker.cpu for worker in self.workers if not worker.ready]
                raise Ended("lost", "stuck", f"CPUs {late} did not reach the start gate within {START_NS} ns")

    def race(self, gate: Gate) -> int:
        """Open the gate, stop after the spec's seconds, see all out. The time in ns from the gate to the last to leave.

        Raises Ended if a worker dies or raises, if one does not leave, and (failed, core_fault) once all others have
        left if one has returned a positive code.
        """
        self.opened_ns = time.monotonic_ns()
        gate.open(self.spec.cpus)
        until_ns = self.opened_ns + int(self.spec.seconds * 1e9)
        # The last workers may attend devices; they serve until stop, so only the spec's CPUs can say that all is done.
        while self._running(self.spec.cpus) and not self.faults() and self._step(until_ns):
            pass
        self.core.set_stop(self.buf)
        until_ns = time.monotonic_ns() + grace_ns(self.spec)
        while self._running(self.size):
            if not self._step(until_ns):
                raise self._stuck()
        return max(worker.left_ns or 0 for worker in self.workers) - self.opened_ns

    def faults(self) -> list[dict[str, int]]:
        """The workers that have returned a positive code."""
        return [{"cpu": worker.cpu, "code": worker.code} for worker in self.workers if worker.code]

    def cpu_ns(self) -> int:
        """Time on a CPU of all workers that have been reaped, user and system."""
        return sum(worker.child.cpu_ns for worker in self.workers)

    def evidence(self) -> list[dict[str, Any]]:
        """Where each worker is: as the kernel sees it, and as it has said itself. To be asked before it is killed."""
        return [
            {
                "cpu": worker.cpu,
                "pid": worker.child.pid,
                "state": "left" if worker.child.exit == 0 else _kernel_state(worker.child),
                "ended": worker.child.how(),
                "at_gate": worker.ready and self.opened_ns is None,
                "code": worker.code,
                "error": worker.error,
            }
            for worker in self.workers
        ]

    def kill(self) -> None:
        """SIGKILL and reap all that are left. Raises Ended if one cannot be killed."""
        stayed = kill_all(worker.child for worker in self.workers)
        if stayed:
            raise Ended("lost", "stuck", f"processes {stayed} do not die of SIGKILL: they hang in the kernel")

    def dismiss(self) -> None:
        """Give back all that the crew holds, its processes first."""
        try:
            self.kill()
        finally:
            self._lines.close()

    def _work(self, cpu: int, gate: Gate) -> int:
        """The life of one worker, in its own process."""
        report = self._lines.write_fileno
        try:
            program = self.core.Program(self.buf, self.spec, cpu)
            if cpu == 0:
                program.prepare()
            write_line(report, {"cpu": cpu, "ready": True})
            if cpu < self.spec.cpus:
                gate.wait()
            code = self.drive(program, cpu)
        except Exception as error:
            write_line(report, {"cpu": cpu, "error": f"{type(error).__name__}: {error}"[:1000]})
            raise  # to the log, with its traceback
        write_line(report, {"cpu": cpu, "code": code, "left_ns": time.monotonic_ns()})
        return 0

    def drive(self, program: Program, cpu: int) -> int:
        """What the worker of a CPU does from the gate to its end, in its own process. The code of the core."""
        return program.run()

    def filenos(self) -> list[int]:
        """What else wakes the supervisor while the CPUs run."""
        return []

    def _running(self, workers: int) -> bool:
        return any(worker.child.exit is None for worker in self.workers[:workers])

    def _step(self, until_ns: int) -> bool:
        """Wait for what happens next and take note of it. False when nothing did until `until_ns`."""
        alive = [worker for worker in self.workers if worker.child.exit is None]
        if not self.watch.wait(
            [self._lines.fileno, *(worker.child.pidfd for worker in alive), *self.filenos()], until_ns
        ):
            return False
        gone = [worker for worker in alive if worker.child.reap()]  # then read: what they wrote, they wrote before
        for message in self._lines.take():
            worker = self.workers[message.pop("cpu")]
            for name, value in message.items():
                setattr(worker, name, value)
        for worker in gone:
            self._judge(worker)
        return True

    def _judge(self, worker: Worker) -> None:
        """Whether a worker has gone as it should. A positive code is no death: the rest may still leave in order."""
        if worker.child.exit == 0 and worker.code is not None:
            return
        if worker.error is not None and worker.child.exit == CHILD_RAISED:
            raise Ended("failed", "worker_raised", f"CPU {worker.cpu} raised {worker.error}")
        who = f"CPU {worker.cpu} (process {worker.child.pid})"
        raise Ended(
            "lost",
            "worker_died",
            f"{who} {worker.child.how()} in the middle of the run: what it held stays locked",
            {"died": {"cpu": worker.cpu, "pid": worker.child.pid, "how": worker.child.how()}},
        )

    def _stuck(self) -> Ended:
        stuck = [worker.cpu for worker in self.workers if worker.child.exit is None]
        limit_ns = grace_ns(self.spec)
        faults = self.faults()
        if faults:
            return Ended("failed", "core_fault", f"{fault_text(faults)}; CPUs {stuck} did not leave after it")
        return Ended("lost", "stuck", f"CPUs {stuck} did not leave within {limit_ns} ns after stop", {"stuck": stuck})


def fault_text(faults: list[dict[str, int]]) -> str:
    """The faults of a crew as one sentence."""
    return "; ".join(f"CPU {fault['cpu']} found the core wrong, code {fault['code']}" for fault in faults)


def _kernel_state(child: Child) -> dict[str, str]:
    """State, kernel function slept in and system call of a process (proc(5)), as far as this user may see them."""
    seen = {}
    for name in ("stat", "wchan", "syscall"):
        try:
            with open(f"/proc/{child.pid}/{name}", encoding="utf-8", errors="replace") as file:
                seen[name] = file.read(4096).strip()
        except OSError:
            continue
    state = seen.pop("stat", "").rpartition(")")[2].split()[:1]
    return {"state": state[0] if state else "gone", **seen}
