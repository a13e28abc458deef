"""The start gate: the named semaphore behind which the CPUs gather, so that all of them set off together.

A POSIX semaphore of posix_ipc, made exclusively, mode 0600. The children inherit its mapping through fork, so the name
is needed by nobody and is unlinked as soon as the semaphore is there: a SIGKILL of anybody leaves no name behind.
"""

from __future__ import annotations

import posix_ipc

from shm.errors import SegmentError


class Gate:
    """A closed gate for CPUs that are forked after it. `name` is the segment's, and the semaphore's is `name`-gate."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-gate"
        try:
            self._semaphore = posix_ipc.Semaphore(self.name, posix_ipc.O_CREX, mode=0o600, initial_value=0)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"the semaphore {self.name} exists already: a start gate is made exclusively") from None
        self._semaphore.unlink()  # before close(): afterwards posix_ipc refuses

    def wait(self) -> None:
        """Sleep until the gate opens. For a CPU; the death of the supervisor ends it through PR_SET_PDEATHSIG."""
        self._semaphore.acquire()

    def open(self, cpus: int) -> None:
        """Let `cpus` CPUs through, once."""
        for _ in range(cpus):
            self._semaphore.release()

    def close(self) -> None:
        """Unmap the semaphore in this process."""
        self._semaphore.close()
