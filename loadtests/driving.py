"""How a CPU user reaches its CPU: attached to the segment on the same host, else through the REST API."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import gevent

from shm.errors import SegmentError
from workers.batch import OUTCOMES, Refused, error_name, packed, unpacked
from workers.spec import RunSpec

BUDGET_NS = 100_000_000  # of one batch: a test that is stopped waits so long for its CPUs


def load_core() -> bool:
    """Load the compiled core before the test: half a second in which a worker would not answer its master. False where
    it is not built: CPU users go through the REST API then."""
    try:
        importlib.import_module("workers.executors.attachment")
    except ImportError:
        return False
    return True


class RunOver(Exception):
    """The driven run has ended: there is nothing left to drive."""


class AttachedDriver:
    """A CPU of a run on this host, this process being the CPU. Raises SegmentError, Refused."""

    def __init__(self, segment: str, spec: RunSpec) -> None:
        from workers.executors.attachment import Attachment  # the compiled core: only where a CPU is attached

        self._attachment = Attachment(segment, spec)
        self._playing: Any = None
        self.pages, self.mms = self._attachment.pages, self._attachment.mms
        pool = gevent.get_hub().threadpool
        pool.maxsize = max(pool.maxsize, pool.size + 2)  # a CPU that waits for another must not keep it from a thread

    def play(self, operations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Play a batch in a thread of gevent's hub: other users go on meanwhile. Raises RunOver, Refused."""
        steps = packed(operations)
        self._playing = gevent.get_hub().threadpool.spawn(self._attachment.play, steps, BUDGET_NS)
        end, results = self._playing.get()
        if end == "stopped" and not results:
            raise RunOver
        return [
            {
                "op": operation["op"],
                "latency_ns": done.latency_ns,
                "outcome": OUTCOMES[done.outcome],
                "error": error_name(done.result),
            }
            for operation, done in zip(operations, unpacked(results), strict=False)
        ]

    def close(self) -> None:
        """Give the CPU back, once the batch that may still be played has come to its end."""
        if self._playing is not None:
            self._playing.wait()
        self._attachment.close()


class HttpDriver:
    """A CPU of a run on any host: batches go through /runs/{id}/operations. `ask` is ApiUser.ask."""

    def __init__(self, ask: Any, run_id: int) -> None:
        self._ask = ask
        self._run_id = run_id
        self._claim: str | None = None
        shape = ask("GET", f"/runs/{run_id}/operations", name="/runs/[id]/operations (CPUs)", expected=(200, 409))
        if shape is None or "pages" not in shape:
            raise RunOver
        self.pages, self.mms = shape["pages"], shape["mms"]

    def play(self, operations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Play a batch. Raises RunOver, Refused (cpu_busy)."""
        answer = self._post({"claim": self._claim, "operations": list(operations)})
        if answer is None:
            return []
        if "results" not in answer:
            if answer["code"] == "not_running":
                raise RunOver
            raise Refused(answer)
        self._claim = answer["claim"]
        if answer["end"] == "stopped":
            raise RunOver
        results: list[dict[str, Any]] = answer["results"]
        return results

    def close(self) -> None:
        """Give the CPU back."""
        if self._claim is not None:
            self._post({"claim": self._claim, "release": True})
            self._claim = None

    def _post(self, body: dict[str, Any]) -> Any:
        path = f"/runs/{self._run_id}/operations"
        return self._ask("POST", path, name="/runs/[id]/operations", json=body, expected=(200, 409))


Driver = AttachedDriver | HttpDriver


def driver_for(mode: str, run_id: int, ask: Any) -> Driver:
    """The driver of a CPU of a live run; `mode` auto: attached where the segment is on this host. Raises RunOver,
    SegmentError, Refused."""
    if mode == "http":
        return HttpDriver(ask, run_id)
    run = ask("GET", f"/runs/{run_id}", name="/runs/[id]")
    shape = ask("GET", f"/runs/{run_id}/operations", name="/runs/[id]/operations (CPUs)", expected=(200, 409))
    if run is None or shape is None or "segment" not in shape:
        raise RunOver
    try:
        return AttachedDriver(shape["segment"], RunSpec.model_validate(run["spec"]))
    except SegmentError:
        if mode == "attached":
            raise
        return HttpDriver(ask, run_id)
