"""The rows of a diagram: marks in the order of time, the calls that lead to them, locks that meet, waits, preemptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from workers.diagram.marks import Hold, Mark, Marks, holds, short_lock
from workers.diagram.names import KERNEL_NAMES, OPERATIONS
from workers.timeline import Timeline

RowKind = Literal[
    "call", "slot", "folio", "pte", "lock", "unlock", "trylock", "wait", "lookup", "preempted", "left_out"
]
MOST_ROWS = 45  # a screen, with the heads and the law
FIRST_ROWS = 10  # of those that stay when there are still too many: how it began
RANKS = (3, 2, 1)
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
        left_out = len(rows) - most_rows + 1
        cut = rows[FIRST_ROWS]
        note = Row(cut.cpu, 0, "left_out", f"... {left_out} lines more ...", None)
        rows = [*rows[:FIRST_ROWS], note, *rows[FIRST_ROWS + left_out :]]
    cpus = sorted({row.cpu for row in rows}) or [0]
    columns = [Column(cpu, _head(timeline, cpu)) for cpu in cpus]
    return Drawn(columns, rows, len(timeline.steps), sum(row.kind == "preempted" for row in rows))


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
    waits = list(_waits(timeline, marks, kept))
    held = holds(timeline)
    of_cpus: dict[str, set[int]] = defaultdict(set)
    for hold in held:
        of_cpus[hold.lock].add(hold.cpu)
    for mark in [*waits, *(mark for mark in kept if mark.kind == "trylock")]:
        of_cpus[_lock_in(mark.text)].add(mark.cpu)
    found = []
    for hold in held:
        if len(of_cpus[hold.lock]) < 2:
            continue
        meets = any(_meets(mark, hold) for mark in [*kept, *waits])
        others = any(mark.cpu != hold.cpu and hold.first < mark.at < hold.last for mark in kept)
        if meets or others:
            found.append(marks.mark(hold.first, "lock", f"lock {hold.lock}"))
            if hold.last < len(timeline.steps):
                found.append(marks.mark(hold.last, "unlock", f"unlock {hold.lock}"))
    order = {"lock": 0, "lookup": 1, "trylock": 1, "wait": 3}  # of one step: what it takes, then what it does with it
    return sorted([*kept, *waits, *found], key=lambda mark: (mark.at, order.get(mark.kind, 2)))


def _meets(mark: Mark, hold: Hold) -> bool:
    """Whether a wait or a failed trylock of another CPU is about that hold."""
    about = mark.kind in ("wait", "trylock") and _lock_in(mark.text) == hold.lock
    return about and mark.cpu != hold.cpu and hold.first <= mark.at < hold.last


def _lock_in(text: str) -> str:
    """The lock that a line of a wait or a trylock names."""
    return text.removeprefix("waits for ").removeprefix("trylock ").removesuffix(" fails")


def _waits(timeline: Timeline, marks: Marks, kept: list[Mark]) -> Iterable[Mark]:
    """A wait begins where the CPU's last step ends. Those that nothing shown happens meanwhile are left out."""
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
        if not any(mark.cpu != step.cpu and before <= mark.at < at for mark in kept):
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
        yield Mark(before, wait.cpu, wait.calls, wait.operation, "wait", wait.text)


def _rows(timeline: Timeline, marks: list[Mark]) -> list[Row]:
    """Rows of marks: a call a row where one begins, and a preemption where a CPU that could go on does not."""
    several = {cpu for cpu in {mark.cpu for mark in marks} if len(_operations(marks, cpu)) > 1}
    rows: list[Row] = []
    inside: dict[int, tuple[str, ...]] = {}
    for number, mark in enumerate(marks):
        calls = mark.calls
        if mark.cpu in several and mark.operation is not None:
            calls = (KERNEL_NAMES.get(mark.operation, mark.operation), *calls)
        common = _common(inside.get(mark.cpu, ()), calls)
        for depth in range(common, len(calls)):
            rows.append(Row(mark.cpu, depth, "call", f"{calls[depth]}()", mark.at + 1))
        inside[mark.cpu] = calls
        rows.append(Row(mark.cpu, len(calls), mark.kind, mark.text, mark.at + 1))
        following = marks[number + 1] if number + 1 < len(marks) else None
        if following is not None and following.cpu != mark.cpu and _preempted(timeline, marks, mark, following):
            rows.append(Row(mark.cpu, len(calls), "preempted", "<preempted>", None))
    return rows


def _operations(marks: list[Mark], cpu: int) -> set[str]:
    return {mark.operation for mark in marks if mark.cpu == cpu and mark.operation is not None}


def _common(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many calls both are in."""
    return next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))


def _preempted(timeline: Timeline, marks: list[Mark], mark: Mark, following: Mark) -> bool:
    """Whether the mark's CPU could have gone on, and does so later, visibly, when another one's mark follows."""
    if mark.kind == "wait" or not any(each.cpu == mark.cpu and each.at >= following.at for each in marks):
        return False
    later = (step for step in timeline.steps[following.at + 1 :] if step.cpu == mark.cpu)
    step = next(later, None)
    return step is not None and not step.waited and step.kind not in ("tick", "end")
