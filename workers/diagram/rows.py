"""The rows of a diagram: marks in the order of time, the calls that lead to them, locks that meet, waits, preemptions."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from workers.diagram.marks import Hold, Mark, Marks, holds, short_lock
from workers.diagram.names import KERNEL_NAMES, OPERATIONS
from workers.timeline import Timeline

RowKind = Literal[
    "call", "slot", "folio", "pte", "lock", "unlock", "trylock", "wait", "lookup", "new", "preempted", "left_out"
]
MOST_ROWS = 45  # a screen, with the heads and the law
FIRST_MARKS = 6  # of those that stay when there are still too many: how it began
RANKS = (3, 2, 1)
NEVER_SHOWN = ("wait queue",)  # how a waiter sleeps is told by its wait
SLEEPS = {"folio_lock": "a folio", "device": "the device", "reclaim": "reclaim", "mmap_lock": "mmap_lock"}


@dataclass(frozen=True)
class Row:
    """A line in the column of `cpu`, `depth` calls deep. `step` counts from 1, None for what stands between steps."""

    cpu: int
    depth: int
    kind: RowKind
    text: str
    step: int | None


@dataclass(frozen=True)
class Column:
    """A CPU and what it does: `CPU0 (reclaim)`."""

    cpu: int
    head: str


@dataclass(frozen=True)
class Drawn:
    """A diagram: its columns, and rows from top to bottom. `preemptions` are those that the rows show."""

    columns: list[Column]
    rows: list[Row]
    steps: int
    preemptions: int


def draw(timeline: Timeline, most_rows: int = MOST_ROWS) -> Drawn:
    """The diagram of a replay, with the most that fits into `most_rows`."""
    marks = Marks(timeline)
    kept: list[Mark] = []
    rows: list[Row] = []
    for rank in RANKS:
        kept = _with_locks(timeline, marks, [mark for mark in marks.found if mark.rank <= rank])
        rows = _rows(timeline, kept)
        if len(rows) <= most_rows:
            break
    if len(rows) > most_rows:
        rows = _shortened(timeline, kept, most_rows)
    cpus = sorted({row.cpu for row in rows}) or [0]
    columns = [Column(cpu, _head(timeline, cpu)) for cpu in cpus]
    return Drawn(columns, rows, len(timeline.steps), sum(row.kind == "preempted" for row in rows))


def _shortened(timeline: Timeline, marks: list[Mark], most_rows: int) -> list[Row]:
    """The rows of the first marks and of as many of the last ones as there is room for."""
    first = _rows(timeline, marks[:FIRST_MARKS])
    begin = bisect_left(
        range(FIRST_MARKS, len(marks)),
        True,
        key=lambda at: len(_rows(timeline, marks[at:])) <= most_rows - len(first) - 1,
    )
    told = f"... {begin} lines more ..."
    note = Row(marks[FIRST_MARKS + begin - 1].cpu, 0, "left_out", told, None)
    return [*first, note, *_rows(timeline, marks[FIRST_MARKS + begin :])]


def _head(timeline: Timeline, cpu: int) -> str:
    does: list[str] = []
    for step in timeline.steps:
        name = step.where[-1].rpartition(":")[2] if step.cpu == cpu and step.where else None
        if name in OPERATIONS and (not does or does[-1] != OPERATIONS[name]):
            does.append(OPERATIONS[name])
    name = timeline.cpus[cpu].replace("cpu", "CPU")
    return f"{name} ({', '.join(does)})" if does and name != "disk" else name


def _with_locks(timeline: Timeline, marks: Marks, kept: list[Mark]) -> list[Mark]:
    """The marks with those of waits, and of locks that another CPU meets, or that are held while another one acts."""
    held = holds(timeline)
    waits = list(_waits(timeline, marks, kept, held))
    of_cpus: dict[str, set[int]] = defaultdict(set)
    for hold in held:
        of_cpus[hold.lock].add(hold.cpu)
    for mark in [*waits, *(mark for mark in kept if mark.kind == "trylock")]:
        of_cpus[_lock_in(mark.text)].add(mark.cpu)
    found = []
    for hold in held:
        own = any(mark.cpu == hold.cpu and hold.first <= mark.at < hold.last for mark in kept)
        if not own or len(of_cpus[hold.lock]) < 2 or hold.lock.startswith(NEVER_SHOWN):
            continue
        meets = any(_meets(mark, hold) for mark in [*kept, *waits])
        others = any(mark.cpu != hold.cpu and hold.first < mark.at < hold.last for mark in kept)
        if meets or others:
            found.append(marks.mark(hold.first, "lock", f"lock {hold.lock}"))
            if hold.last < len(timeline.steps):
                found.append(marks.mark(hold.last, "unlock", f"unlock {hold.lock}"))
    order = {"new": 0, "lock": 1, "unlock": 1, "lookup": 2, "trylock": 2, "wait": 4}  # of a step: itself, then what follows
    return sorted([*kept, *waits, *found], key=lambda mark: (mark.at, order.get(mark.kind, 3)))


def _meets(mark: Mark, hold: Hold) -> bool:
    """Whether a wait or a failed trylock of another CPU is about that hold."""
    about = mark.kind in ("wait", "trylock") and _lock_in(mark.text) == hold.lock
    return about and mark.cpu != hold.cpu and hold.first <= mark.at < hold.last


def _lock_in(text: str) -> str:
    """The lock that a line of a wait or a trylock names."""
    return text.removeprefix("waits for ").removeprefix("trylock ").removesuffix(" fails")


def _waits(timeline: Timeline, marks: Marks, kept: list[Mark], held: list[Hold]) -> Iterable[Mark]:
    """A wait begins where the CPU's last step ends. Those that nothing shown happens meanwhile are left out.

    A lock that was free when the CPU came to it is none to wait for: another CPU was let in before.
    """
    last: dict[int, int] = {}
    folio: dict[int, int] = {}
    for at, step in enumerate(timeline.steps):
        before = last.get(step.cpu)
        last[step.cpu] = at
        if step.object is not None and step.object.pfn is not None:
            folio[step.cpu] = step.object.pfn
        slept = step.kind == "tick" or (step.kind == "park" and step.waited)
        if before is None or not (slept or (step.waited and step.kind == "acquire")):
            continue
        if step.kind == "acquire":
            what = short_lock(step)
        elif step.kind == "tick":
            what = "a tick"
        else:
            what = SLEEPS.get(step.cause or "", (step.cause or "an event").replace("_", " "))
            if step.cause == "folio_lock" and step.cpu in folio:
                what = f"folio {folio[step.cpu]}"
        wait = marks.mark(at, "wait", f"waits for {what}")
        owners = {hold.cpu for hold in held if hold.lock == what and hold.first <= before < hold.last} - {step.cpu}
        seen = {mark.cpu for mark in kept if before <= mark.at < at} - {step.cpu}
        if seen & owners if step.kind == "acquire" else seen:
            yield replace(wait, at=before)


def _rows(timeline: Timeline, marks: list[Mark]) -> list[Row]:
    """Rows of marks: a call a row where one begins, and a preemption where a CPU that could go on does not."""
    rows: list[Row] = []
    inside: dict[int, tuple[str, ...]] = {}
    for number, (mark, calls) in enumerate(zip(marks, _calls(marks), strict=True)):
        common = _common(inside.get(mark.cpu, ()), calls)
        for depth in range(common, len(calls)):
            rows.append(Row(mark.cpu, depth, "call", f"{calls[depth]}()", mark.at + 1))
        inside[mark.cpu] = calls
        rows.append(Row(mark.cpu, len(calls), mark.kind, mark.text, mark.at + 1))
        following = next((each for each in marks[number + 1 :] if each.kind != "wait"), None)
        if mark.kind != "wait" and following is not None and _preempted(timeline, marks, mark, following):
            rows.append(Row(mark.cpu, len(calls), "preempted", "<preempted>", None))
    return rows


def _calls(marks: list[Mark]) -> list[tuple[str, ...]]:
    """The calls that are shown of each mark: those that only lead to one other call, and do nothing else, are not."""
    several = {cpu for cpu in {mark.cpu for mark in marks} if len(_operations(marks, cpu)) > 1}
    whole = []
    leads_to: dict[tuple[int, tuple[str, ...]], set[str]] = defaultdict(set)
    for mark in marks:
        calls = mark.calls
        if mark.cpu in several and mark.operation is not None:
            calls = (KERNEL_NAMES.get(mark.operation, mark.operation), *calls)
        whole.append(calls)
        leads_to[mark.cpu, calls].add("")
        for depth in range(len(calls)):
            leads_to[mark.cpu, calls[:depth]].add(calls[depth])
    return [
        tuple(
            name
            for depth, name in enumerate(calls, start=1)
            if len(leads_to[mark.cpu, calls[:depth]]) > 1 or depth == len(calls)
        )
        for mark, calls in zip(marks, whole, strict=True)
    ]


def _operations(marks: list[Mark], cpu: int) -> set[str]:
    return {mark.operation for mark in marks if mark.cpu == cpu and mark.operation is not None}


def _common(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many calls both are in."""
    return next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))


def _preempted(timeline: Timeline, marks: list[Mark], mark: Mark, following: Mark) -> bool:
    """Whether the mark's CPU could have gone on, and does so later, visibly, when another one's mark follows."""
    if following.cpu == mark.cpu or not any(each.cpu == mark.cpu and each.at > following.at for each in marks):
        return False
    own = [at for at, step in enumerate(timeline.steps) if step.cpu == mark.cpu]
    place = bisect_left(own, following.at)
    if place == len(own):
        return False
    stopped, step = own[place - 1], timeline.steps[own[place]]
    if step.kind in ("tick", "end") or (step.waited and step.kind != "acquire"):
        return False
    held = [hold for hold in holds(timeline) if step.waited and hold.lock == short_lock(step) and hold.cpu != mark.cpu]
    return not any(hold.first <= stopped < hold.last for hold in held)
