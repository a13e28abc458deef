"""A client that is a CPU: it claims one, maps the segment, and plays its operations in its own process.

The connection to the supervisor is the claim. When it breaks, the supervisor takes the CPU back as soon as it is at
rest; a client that dies in the middle of an operation ends the run as lost.
"""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType

from shm.segment import Segment
from workers.batch import Refused, asked, connected, refusal
from workers.executors.attached_cpu import AttachedCpu
from workers.executors.external import played
from workers.executors.player import Player
from workers.executors.program import Program
from workers.spec import RunSpec

ANSWER_SECONDS = 5.0


class Attachment:
    """One CPU of the live run that owns `segment`, this process being the CPU. `cpu` None: any that is free.

    Raises SegmentError when the segment is not on this host or not sound, Refused when there is no CPU to be had.
    `play` blocks and holds no GIL: call it from any thread, one at a time.
    """

    def __init__(self, segment: str, spec: RunSpec, cpu: int | None = None) -> None:
        self._segment = Segment.attach(segment, write=True)
        self._player: Player | None = None
        self._line: socket.socket | None = None
        try:
            self._line = connected(segment, ANSWER_SECONDS)
            told, _ = asked(self._line, {"do": "claim", "cpu": cpu, "attach": True})
            self.cpu, self.pages, self.mms = int(told["cpu"]), int(told["pages"]), int(told["mms"])
            self._number = int(told["number"])
            program = Program(self._segment.buf, spec, self.cpu, AttachedCpu(self._line.fileno()))
            self._player = Player(program)
        except BaseException:
            self.close()
            raise

    def play(self, steps: bytes, budget_ns: int) -> tuple[str, bytes]:
        """Play a batch (workers/batch.py `packed`): how it ended, and its results as `unpacked` reads them.

        Raises Refused (claim_lost, abandoned) once the CPU is no longer ours or the run is dead.
        """
        if self._player is None:
            raise Refused(refusal("claim_lost", "this attachment is closed"))
        told, results = played(self._player, steps, self._number, budget_ns)
        if not told["ok"]:
            raise Refused(told)
        if told["end"] == "abandoned":
            raise Refused(refusal("abandoned", "the run died in the middle of this batch"))
        return told["end"], results

    def close(self) -> None:
        """Give the CPU back. Not while `play` runs in another thread."""
        self._player = None
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
            self._line = None
        self._segment.close()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
