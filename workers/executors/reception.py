"""The reception of a run that clients drive: who may be which CPU, and for how long.

It listens on the run's control socket (workers/batch.py has the requests), answers only its own user, and never waits
for a client. A CPU is taken away in two steps: its driver is gone, then its word is moved to the next claim, which only
works at rest. A client whose process has died in the middle of an operation has locks that nobody will free: that ends
the run as lost.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from workers.batch import (
    MAX_BUDGET_MS,
    MAX_LEASE_MS,
    MAX_MESSAGE_BYTES,
    NUMBERS,
    control_address,
    free_text,
    message,
    opened,
    refusal,
)
from workers.executors.player import driver_of, hand_over, latencies, shape
from workers.executors.watch import Ended, readable
from workers.spec import RunSpec

CLAIMS = 1 << 24  # numbers of claims before they come again: 24 bits of a CPU's word
BACKLOG = 128
MAX_CALLERS = 256  # connections that have not said yet what they want
CALLER_NS = 1_000_000_000  # time to say it
GONE_NS = 5_000_000_000  # a client that hung up in the middle of an operation, and lives, may take so long to end it
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid


@dataclass
class Claim:
    """A CPU in somebody's hands. `number` stands in the CPU's word; times are CLOCK_MONOTONIC ns.

    By lease: `due_ns` is when it ends. By attachment: `line` is the connection, `pidfd` the process behind it.
    """

    cpu: int
    number: int
    token: str
    lease_ns: int = 0
    due_ns: int | None = None
    line: socket.socket | None = None
    pid: int | None = None
    pidfd: int | None = None
    gone_ns: int | None = None

    @property
    def attached(self) -> bool:
        return self.pid is not None

    def hang_up(self) -> None:
        """Close what is open of it."""
        if self.line is not None:
            self.line.close()
            self.line = None
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


class Reception:
    """Made before the workers are forked. `finished` turns true when a client ends the run."""

    def __init__(self, name: str, spec: RunSpec, buf: mmap.mmap) -> None:
        self.finished = False
        self._buf = buf
        self._stopping = False
        self._numbers = [0] * spec.cpus
        self._claims: dict[int, Claim] = {}
        self._callers: dict[int, tuple[socket.socket, int]] = {}
        self._desks = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(spec.cpus)]
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._door.bind(control_address(name))
        self._door.listen(BACKLOG)

    def desk_of(self, cpu: int) -> socket.socket | None:
        """Where the worker of a CPU takes its batches; None for the disk's. In the worker: all else is closed there."""
        self._door.close()
        for number, (own, workers) in enumerate(self._desks):
            own.close()
            if number != cpu:
                workers.close()
        return self._desks[cpu][1] if cpu < len(self._desks) else None

    def filenos(self) -> list[int]:
        """What wakes the reception."""
        found = [] if self._stopping else [self._door.fileno()]
        found += self._callers
        for claim in self._claims.values():
            if claim.gone_ns is None and claim.line is not None:
                found.append(claim.line.fileno())
        return found

    def due_ns(self, look_ns: int) -> int | None:
        """When `attend` is to be called next though nothing happens; None: not at all."""
        now_ns = time.monotonic_ns()
        due = [since_ns + CALLER_NS for _, since_ns in self._callers.values()]
        for claim in self._claims.values():
            if claim.gone_ns is not None:
                due.append(now_ns + look_ns)
            elif claim.due_ns is not None:
                due.append(claim.due_ns)
        return min(due, default=None)

    def attend(self) -> None:
        """Hear who is at the door, take back what has run out. Raises Ended for a client that died being a CPU."""
        ready = readable(self.filenos(), 0)
        if not self._stopping and self._door.fileno() in ready:
            self._admit()
        callers = ready.intersection(self._callers)
        for fileno in callers:
            self._hear(self._callers.pop(fileno)[0])
        now_ns = time.monotonic_ns()
        for fileno in [f for f, (_, since_ns) in self._callers.items() if now_ns > since_ns + CALLER_NS]:
            self._callers.pop(fileno)[0].close()
        for claim in list(self._claims.values()):
            self._look_after(claim, ready - callers, now_ns)  # a caller has become the line of a claim

    def stop(self) -> None:
        """The run is at its end: nobody is admitted any more, and every CPU is taken back."""
        self._stopping = True
        self._door.close()
        for caller, _ in self._callers.values():
            _tell(caller, refusal("not_running", "the run is at its end"))
        self._callers.clear()
        now_ns = time.monotonic_ns()
        for claim in self._claims.values():
            claim.gone_ns = claim.gone_ns or now_ns

    def at_rest(self) -> bool:
        """Whether no CPU is in anybody's hands."""
        return not self._claims

    def send_home(self) -> None:
        """Have the workers leave: no more batches come."""
        for own, workers in self._desks:
            own.close()
            workers.close()

    def close(self) -> None:
        """Hang up on everybody, whatever they are doing."""
        self._door.close()
        for caller, _ in self._callers.values():
            caller.close()
        self._callers.clear()
        for claim in self._claims.values():
            claim.hang_up()
        self._claims.clear()
        self.send_home()

    def stuck(self) -> Ended:
        """The end of a run whose CPUs do not come to rest."""
        held = sorted(self._claims)
        steps = {cpu: driver_of(self._buf, cpu)[1] for cpu in held}
        pids = {cpu: self._claims[cpu].pid for cpu in held}
        doing = "; ".join(f"CPU {cpu}: {_step_name(step)}" for cpu, step in steps.items())
        sentence = f"CPUs {held} did not come to rest after stop ({doing})"
        return Ended("lost", "client_stuck", sentence, {"stuck": held, "clients": pids})

    def _admit(self) -> None:
        while True:
            try:
                caller, _ = self._door.accept()
            except BlockingIOError:
                return
            caller.setblocking(False)
            _, uid, _ = _PEER.unpack(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if uid != os.geteuid():
                _tell(caller, refusal("not_yours", "this run belongs to another user"))
            elif len(self._callers) >= MAX_CALLERS:
                _tell(caller, refusal("too_many", f"{MAX_CALLERS} connections wait already"))
            else:
                self._callers[caller.fileno()] = (caller, time.monotonic_ns())

    def _hear(self, caller: socket.socket) -> None:
        """One request. Whoever stays is kept; all others are told and hung up on."""
        try:
            asked, steps = opened(caller.recv(MAX_MESSAGE_BYTES))
        except (OSError, ValueError):
            asked, steps = None, b""
        requests = {"status": self._status, "claim": self._claim, "release": self._release}
        if not isinstance(asked, dict):
            caller.close()
        elif asked.get("do") == "finish":
            self.finished = True
            _tell(caller, {"ok": True})
        elif asked.get("do") == "operate":
            self._operate(caller, asked, steps)
        elif asked.get("do") in requests:
            requests[asked["do"]](caller, asked)
        else:
            _tell(caller, refusal("bad_request", f"there is no request {asked.get('do')!r}"))

    def _status(self, caller: socket.socket, _: dict[str, Any]) -> None:
        pages, mms = shape(self._buf)
        drivers = []
        for cpu in range(len(self._numbers)):
            claim = self._claims.get(cpu)
            state = "free" if claim is None else "attached" if claim.attached else "leased"
            drivers.append({"cpu": cpu, "state": state, "doing": _step_name(driver_of(self._buf, cpu)[1])})
        told = {"ok": True, "pages": pages, "mms": mms, "cpus": drivers, "latencies": latencies(self._buf)}
        _tell(caller, told)

    def _claim(self, caller: socket.socket, asked: dict[str, Any]) -> None:
        free = [cpu for cpu in range(len(self._numbers)) if cpu not in self._claims]
        cpu = asked.get("cpu")
        if cpu is None and free:
            cpu = free[0]
        if not isinstance(cpu, int) or cpu not in free:
            _tell(caller, self._not_free(cpu, free))
            return
        claim = Claim(cpu, self._numbers[cpu], secrets.token_hex(16))
        if asked.get("attach"):
            pid, _, _ = _PEER.unpack(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            try:
                claim.pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                caller.close()
                return
            claim.pid, claim.line = pid, caller
        else:
            claim.lease_ns = min(int(asked.get("lease_ms", MAX_LEASE_MS)), MAX_LEASE_MS) * 1_000_000
            claim.due_ns = time.monotonic_ns() + claim.lease_ns
        self._claims[cpu] = claim
        pages, mms = shape(self._buf)
        told = {"ok": True, "cpu": cpu, "claim": claim.token, "number": claim.number, "pages": pages, "mms": mms}
        _tell(caller, told, hang_up=not claim.attached)

    def _not_free(self, cpu: object, free: list[int]) -> dict[str, Any]:
        if cpu is None:
            return refusal("cpu_busy", "every CPU of the run is claimed")
        if cpu not in range(len(self._numbers)):
            return refusal("no_such_cpu", f"the run has CPUs 0 to {len(self._numbers) - 1}")
        return refusal("cpu_busy", f"CPU {cpu} is claimed already; {free_text(free)}")

    def _found(self, caller: socket.socket, asked: dict[str, Any]) -> Claim | None:
        """The claim of a token; without one the caller is told."""
        for claim in self._claims.values():
            if claim.gone_ns is None and not claim.attached and claim.token == asked.get("claim"):
                return claim
        _tell(caller, refusal("claim_lost", "no CPU is claimed by this token: its lease is over, or it was given back"))
        return None

    def _operate(self, caller: socket.socket, asked: dict[str, Any], steps: bytes) -> None:
        claim = self._found(caller, asked)
        if claim is None:
            return
        claim.due_ns = time.monotonic_ns() + claim.lease_ns
        budget_ns = min(int(asked.get("budget_ns", 0)), MAX_BUDGET_MS * 1_000_000)
        order = message({"cpu": claim.cpu, "claim": claim.number, "budget_ns": budget_ns}, steps)
        try:
            socket.send_fds(self._desks[claim.cpu][0], [order], [caller.fileno()], socket.MSG_DONTWAIT)
        except BlockingIOError:
            _tell(caller, refusal("too_many", f"too many batches wait for CPU {claim.cpu} already"))
            return
        caller.close()  # here: the worker has it

    def _release(self, caller: socket.socket, asked: dict[str, Any]) -> None:
        claim = self._found(caller, asked)
        if claim is not None:
            claim.gone_ns = time.monotonic_ns()
            _tell(caller, {"ok": True})

    def _look_after(self, claim: Claim, ready: set[int], now_ns: int) -> None:
        """Take a CPU back whose driver is gone, once it is at rest."""
        if claim.gone_ns is None and claim.line is not None and claim.line.fileno() in ready:
            claim.gone_ns = now_ns  # it hangs up, or says that it is done: an attached client says nothing else
        if claim.gone_ns is None and claim.due_ns is not None and now_ns >= claim.due_ns:
            if driver_of(self._buf, claim.cpu)[1]:
                claim.due_ns = now_ns + claim.lease_ns  # its batch is being played: it is not idle
            else:
                claim.gone_ns = now_ns
        if claim.gone_ns is None:
            return
        after = (claim.number + 1) % CLAIMS
        if hand_over(self._buf, claim.cpu, claim.number, after):
            self._numbers[claim.cpu] = after
            claim.hang_up()
            del self._claims[claim.cpu]
        elif claim.pidfd is not None:
            self._judge(claim, now_ns)

    def _judge(self, claim: Claim, now_ns: int) -> None:
        """A client hung up in the middle of an operation, or is asked to stop in it. Raises Ended when it is dead."""
        assert claim.pidfd is not None
        assert claim.gone_ns is not None
        dead = bool(select.select([claim.pidfd], [], [], 0)[0])
        if not dead and (self._stopping or now_ns < claim.gone_ns + GONE_NS):
            return
        if dead and hand_over(self._buf, claim.cpu, claim.number, claim.number):
            return  # it came to rest between the two looks: the next one takes it back
        doing = _step_name(driver_of(self._buf, claim.cpu)[1])
        who = f"the client that was CPU {claim.cpu} (process {claim.pid})"
        how = "died" if dead else "hung up"
        raise Ended(
            "lost",
            "client_died",
            f"{who} {how} in the middle of {doing}: what it held stays locked",
            {"client": {"cpu": claim.cpu, "pid": claim.pid, "doing": doing}},
        )


def _step_name(step: int) -> str | None:
    """The operation that the low byte of a CPU's word names; None at rest."""
    return list(NUMBERS)[step - 1] if 0 < step <= len(NUMBERS) else None


def _tell(caller: socket.socket, answer: dict[str, Any], *, hang_up: bool = True) -> None:
    """Answer without waiting; a client that does not read loses its answer."""
    with contextlib.suppress(OSError):
        caller.send(message(answer))
    if hang_up:
        caller.close()
