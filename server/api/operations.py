"""A live run that clients drive: its CPUs, batches of operations on a claimed one, and its early end."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from flask import current_app, g
from flask.blueprints import BlueprintSetupState
from pydantic import Field

from server.api.common import EXTENSION, ID, PREFIX, Body, problems, the_service
from server.errors import Fault, ProblemError
from server.external import Drive, LiveRun, OutOfRange, Unavailable, live_run
from server.schemas import MAX_ID, Model
from workers.batch import MAX_BUDGET_MS, MAX_LEASE_MS, MAX_OPERATIONS, MAX_RANGE_PAGES, MAX_RECLAIM_PAGES
from workers.spec import MAX_CPUS, MAX_PAGES

SLOTS = "swaprace.operations"
SHARE = 4  # one thread in so many may wait for batches: the others answer everything else

Mm = Annotated[int, Field(ge=0, le=255, description="number of the address space")]
Page = Annotated[int, Field(ge=0, lt=MAX_PAGES, description="page of the address space")]


class Access(Body):
    """A load or a store of the program: a hit, or a fault that is taken until the page is there."""

    op: Literal["load", "store"]
    mm: Mm = 0
    page: Page


class Advice(Body):
    """madvise: MADV_PAGEOUT or MADV_DONTNEED of `pages` pages from `page` on."""

    op: Literal["pageout", "dontneed"]
    mm: Mm = 0
    page: Page
    pages: int = Field(1, ge=1, le=MAX_RANGE_PAGES)


class Reclaim(Body):
    """Proactive reclaim from the memory cgroup: result is how many pages are free now."""

    op: Literal["reclaim"]
    pages: int = Field(32, ge=1, le=MAX_RECLAIM_PAGES)


class Process(Body):
    """An address space begins empty (mm_init), or ends (exit)."""

    op: Literal["mm_init", "exit"]
    mm: Mm


class Fork(Body):
    """`child` becomes a copy of `mm` that shares all pages and slots."""

    op: Literal["fork"]
    mm: Mm = 0
    child: Mm


class Device(Body):
    """The swap device is taken down, with every page of it brought back, or up again."""

    op: Literal["swapoff", "swapon"]


Operation = Annotated[Access | Advice | Reclaim | Process | Fork | Device, Field(discriminator="op")]


class OperationsBody(Body):
    """A batch for a CPU: the one of `claim`, or one that is claimed now."""

    claim: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="the claim of an answer before")
    cpu: int | None = Field(None, ge=0, lt=MAX_CPUS, description="which CPU to claim; left out: any that is free")
    lease_ms: int = Field(10_000, ge=100, le=MAX_LEASE_MS, description="a claim without a batch for so long is over")
    budget_ms: int = Field(1_000, ge=1, le=MAX_BUDGET_MS, description="what is not begun by then is left out")
    release: bool = Field(False, description="give the CPU back after this batch")
    operations: list[Operation] = Field([], max_length=MAX_OPERATIONS)


class OperationResult(Model):
    """One operation that was played."""

    op: str
    result: int = Field(description="0 or a count (docs/load.md); negative: an errno of the kernel")
    error: str | None = Field(description="name of the errno, such as ENOMEM")
    outcome: Literal["hit", "swap_in", "zero_fill", "copy_on_write"] | None = Field(description="of a load or a store")
    latency_ns: int


class Batch(Model):
    """What a batch came to. Operations that were not played have no result."""

    run_id: int
    cpu: int
    claim: str | None = Field(description="for the next batch; null: the CPU has been given back")
    end: Literal["played", "stopped", "out_of_time", "claim_lost"] = Field(description="why the batch ended")
    results: list[OperationResult]


class CpuState(Model):
    """Who drives a CPU of a live run, and what it does at this moment."""

    cpu: int
    state: Literal["free", "leased", "attached"]
    doing: str | None


class Latency(Model):
    """Latencies of one kind that the CPUs have counted so far."""

    name: str
    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


class Cpus(Model):
    """The CPUs of a live run, and the room that operations have."""

    run_id: int
    segment: str = Field(description="name in POSIX shared memory, for a client on the same host")
    pages: int = Field(description="of one address space")
    mms: int
    cpus: list[CpuState]
    latencies: list[Latency] = Field(description="counted by the run itself since its start")


class Finished(Model):
    """The run stops, checks its laws, and is stored."""

    run_id: int


def operations() -> APIBlueprint:
    """The blueprint of /runs/{id}/operations and /runs/{id}/finish."""
    bp = APIBlueprint("operations", __name__, url_prefix=f"{PREFIX}/runs/" + ID.format("run_id"), tag="operations")
    bp.record_once(_make_slots)

    @bp.get("/operations")
    @bp.output(Cpus, description="The CPUs.")
    @bp.doc(summary="CPUs of a live run and who drives them", responses=problems(404, 409))
    def list_cpus(run_id: int) -> Cpus:
        run = _live(run_id)
        told = _asked(run.status)
        facts = {name: told[name] for name in ("pages", "mms", "cpus", "latencies")}
        return Cpus.model_validate({"run_id": run_id, "segment": run.segment, **facts})

    @bp.post("/operations")
    @bp.input(OperationsBody, arg_name="body")
    @bp.output(Batch, description="What the operations came to, in their order.")
    @bp.doc(summary="Play a batch of operations on a CPU", responses=problems(404, 409, 503, 504))
    def play_operations(run_id: int, body: OperationsBody) -> Batch:
        run = _live(run_id)
        slots: threading.BoundedSemaphore = current_app.extensions[SLOTS]
        if not slots.acquire(blocking=False):
            raise ProblemError(503, "busy", "As many batches are under way as this server waits for; ask again.")
        try:
            drive = _asked(lambda: _drive(run, body))
        finally:
            slots.release()
        g.unrecorded = body.claim is not None  # a claim is a change that the audit keeps; its batches are traffic
        names = [operation.op for operation in body.operations]
        results = [OperationResult(op=op, **told) for op, told in zip(names, drive.results, strict=False)]
        return Batch(run_id=run_id, cpu=drive.cpu, claim=drive.claim, end=drive.end, results=results)

    @bp.post("/finish")
    @bp.output(Finished, status_code=202, description="The run ends now as if its seconds were over.")
    @bp.doc(summary="End a run that clients drive, and keep its results", responses=problems(404, 409))
    def finish_run(run_id: int) -> tuple[Finished, int]:
        _asked(_live(run_id).finish)
        return Finished(run_id=run_id), 202

    return bp


def _make_slots(state: BlueprintSetupState) -> None:
    threads = state.app.extensions[EXTENSION].settings.threads
    state.app.extensions[SLOTS] = threading.BoundedSemaphore(max(1, threads // SHARE))


def _live(run_id: int) -> LiveRun:
    assert 0 <= run_id <= MAX_ID
    return _asked(lambda: live_run(the_service().store, run_id))


def _drive(run: LiveRun, body: OperationsBody) -> Drive:
    steps = [operation.model_dump() for operation in body.operations]
    return run.drive(
        steps,
        claim=body.claim,
        cpu=body.cpu,
        lease_ms=body.lease_ms,
        budget_ms=body.budget_ms,
        release=body.release,
    )


def _asked(ask: Any) -> Any:
    """What `ask` returns; what a live run refuses as a problem."""
    try:
        return ask()
    except OutOfRange as error:
        fault = Fault(detail=str(error), pointer=error.pointer)
        raise ProblemError(422, "invalid", "The batch does not fit the run; see errors.", [fault]) from error
    except Unavailable as error:
        raise ProblemError(error.status, error.code, str(error)) from error
