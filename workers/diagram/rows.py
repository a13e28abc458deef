"""The rows of a diagram: marks in the order of time, calls that lead to them, locks that meet, waits, preemptions."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

from workers.diagram.marks import Hold, Mark, MarkKind, Marks, holds, once_around, short_lock
from workers.diagram.names import KERNEL_NAMES, OPERATIONS, operation_of
from workers.timeline import Step, Timeline

RowKind = MarkKind | Literal["call", "preempted", "left_out"]
MOST_ROWS = 45  # a screen, with the heads and the law
FIRST_MARKS = 6  # of those that stay when there are still too many: how it began
RANKS = (3, 2, 1)
# Of the marks of one step; the others are 3.
ORDER: dict[str, int] = {
    "cycle": -1,
    "new": 0,
    "lock": 1,
    "unlock": 1,
    "lookup": 2,
    "trylock": 2,
    "wait": 4,
    "broken": 5,
}
CHANGES = ("slot", "folio", "pte", "broken")
NEVER_SHOWN = ("wait queue",)  # how a waiter sleeps is told by its wait
SLEEPS = {"folio_lock": "a folio", "device": "the device", "reclaim": "reclaim", "mmap_lock": "mmap_lock"}


@dataclass(frozen=True)
class Row:
    """A line in the column of `cpu`, `depth` calls deep. `step` counts from 1, None for what stands between steps.

    `locks`: of a change, those that its CPU holds.
    """

    cpu: int
    depth: int
    kind: RowKind
    text: str
    step: int | None
    locks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A CPU and what it does: `CPU0 (reclaim)`."""

    cpu: int
    head: str


@dataclass(frozen=True)
class Drawn:
    """A diagram: its columns, and rows from top to bottom."""

    columns: list[Column]
    rows: list[Row]
    steps: int


def draw(timeline: Timeline, most_rows: int = MOST_ROWS) -> Drawn:
    """The diagram of a replay, with the most that fits into `most_rows`. A cycle is drawn once."""
    return Drawing(timeline).drawn(most_rows)


class Drawing:
    """A timeline on its way to rows."""

    def __init__(self, timeline: Timeline) -> None:
        self._extent = len(timeline.steps)
        self._timeline = timeline = once_around(timeline)
        self._marks = Marks(timeline)
        self._held = holds(timeline)
        self._last = len(timeline.steps) - 1

    def drawn(self, most_rows: int) -> Drawn:
        """The diagram: less and less important marks while there are too many, then the first and the last ones."""
        kept: list[Mark] = []
        rows: list[Row] = []
        for rank in RANKS:
            kept = self._with_locks([mark for mark in self._marks.found if mark.rank <= rank])
            rows = self._rows(kept)
            if len(rows) <= most_rows:
                break
        if len(rows) > most_rows:
            rows = self._shortened(kept, most_rows)
        cpus = sorted({row.cpu for row in rows}) or [0]
        return Drawn([Column(cpu, self._head(cpu)) for cpu in cpus], rows, self._extent)

    @cached_property
    def _places(self) -> dict[int, list[int]]:
        """The steps of each CPU, from 0."""
        found: dict[int, list[int]] = defaultdict(list)
        for at, step in enumerate(self._timeline.steps):
            found[step.cpu].append(at)
        return found

    def _head(self, cpu: int) -> str:
        does: list[str] = []
        for at in self._places[cpu]:
            operation = operation_of(self._timeline.steps[at].where)
            if operation is not None and does[-1:] != [OPERATIONS[operation]]:
                does.append(OPERATIONS[operation])
        name = self._timeline.cpus[cpu].replace("cpu", "CPU")
        return f"{name} ({', '.join(does)})" if does and does != [name] else name

    def _with_locks(self, kept: list[Mark]) -> list[Mark]:
        """The marks, those of waits, and of locks that another CPU meets or that are held while another one acts.

        A CPU that changes nothing of what is drawn is shown with the locks that it shares with others, each once.
        """
        waits = list(self._waits(kept))
        of_cpus: dict[str, set[int]] = defaultdict(set)
        for hold in self._held:
            of_cpus[hold.lock].add(hold.cpu)
        for mark in [*waits, *kept]:
            if mark.lock is not None:
                of_cpus[mark.lock].add(mark.cpu)
        found = []
        silent = {cpu for cpu, places in self._places.items() if len(places) > 2} - {mark.cpu for mark in kept}
        told: set[tuple[int, str]] = set()
        for hold in self._held:
            own = any(mark.cpu == hold.cpu and hold.first <= mark.at < hold.last for mark in kept)
            if hold.cpu in silent and len(of_cpus[hold.lock]) > 1 and (hold.cpu, hold.lock) not in told:
                told.add((hold.cpu, hold.lock))
                found.append(self._marks.mark(hold.first, "lock", f"lock {hold.lock}"))
                found.append(self._marks.mark(min(hold.last, self._last), "unlock", f"unlock {hold.lock}"))
            if not own or len(of_cpus[hold.lock]) < 2 or hold.lock.startswith(NEVER_SHOWN):
                continue
            met = any(mark.lock == hold.lock and _during(mark, hold) for mark in [*kept, *waits])
            if met or any(_during(mark, hold) for mark in kept):
                found.append(self._marks.mark(hold.first, "lock", f"lock {hold.lock}"))
                if hold.last < len(self._timeline.steps):
                    found.append(self._marks.mark(hold.last, "unlock", f"unlock {hold.lock}"))
        return sorted([*kept, *waits, *found], key=lambda mark: (mark.at, ORDER.get(mark.kind, 3)))

    def _waits(self, kept: list[Mark]) -> Iterator[Mark]:
        """A wait begins where the CPU's last step ends. Those that nothing shown happens meanwhile are left out.

        A lock that was free when the CPU came to it is none to wait for: another CPU was let in before.
        """
        folio: dict[int, int] = {}
        for cpu, places in self._places.items():
            if not self._timeline.cpus[cpu].startswith("cpu"):  # which waits for requests whenever it has none
                continue
            for before, at in pairwise(places):
                step = self._timeline.steps[at]
                if step.object is not None and step.object.pfn is not None:
                    folio[cpu] = step.object.pfn
                ticks = step.kind == "tick" or step.cause == "tick_sleep"
                if not ticks and not (step.kind in ("park", "acquire") and step.waited):
                    continue
                what = _waited_for(step, folio.get(cpu))
                owners = {hold.cpu for hold in self._held if hold.lock == what and hold.first <= before < hold.last}
                seen = {mark.cpu for mark in kept if before <= mark.at < at} - {cpu}
                if ticks or (seen & owners if step.kind == "acquire" else seen):
                    yield replace(self._marks.mark(at, "wait", f"waits for {what}", lock=what), at=before)

    def _rows(self, marks: list[Mark]) -> list[Row]:
        """Rows of marks: a call a row where one begins, and a preemption where a CPU that could go on does not."""
        rows: list[Row] = []
        inside: dict[int, tuple[str, ...]] = {}
        for number, (mark, calls) in enumerate(zip(marks, _shown_calls(marks), strict=True)):
            for depth in range(_common(inside.get(mark.cpu, ()), calls), len(calls)):
                rows.append(Row(mark.cpu, depth, "call", f"{calls[depth]}()", mark.at + 1))
            inside[mark.cpu] = calls
            rows.append(Row(mark.cpu, len(calls), mark.kind, mark.text, mark.at + 1, self._locks_of(mark)))
            following = next((each for each in marks[number + 1 :] if each.kind != "wait"), None)
            if mark.kind != "wait" and following is not None and self._preempted(marks, mark, following):
                rows.append(Row(mark.cpu, len(calls), "preempted", "<preempted>", None))
        return rows

    def _locks_of(self, mark: Mark) -> tuple[str, ...]:
        if mark.kind not in CHANGES:
            return ()
        held = [hold.lock for hold in self._held if hold.cpu == mark.cpu and hold.first <= mark.at < hold.last]
        return tuple(sorted(set(held)))

    def _shortened(self, marks: list[Mark], most_rows: int) -> list[Row]:
        """The rows of the first marks and of as many of the last ones as there is room for."""
        first = self._rows(marks[:FIRST_MARKS])
        room = most_rows - len(first) - 1
        rest = range(FIRST_MARKS, len(marks))
        begin = bisect_left(rest, True, key=lambda at: len(self._rows(marks[at:])) <= room)
        last = marks[FIRST_MARKS + begin :]
        note = Row((last or marks)[0].cpu, 0, "left_out", f"... {begin} more ...", None)
        return [*first, note, *self._rows(last)]

    def _preempted(self, marks: list[Mark], mark: Mark, following: Mark) -> bool:
        """Whether the mark's CPU could have gone on, and does so later, visibly, when another one's mark follows."""
        if following.cpu == mark.cpu or not any(each.cpu == mark.cpu and each.at > following.at for each in marks):
            return False
        own = self._places[mark.cpu]
        place = bisect_left(own, following.at)
        if place == len(own):
            return False
        stopped, step = own[place - 1], self._timeline.steps[own[place]]
        if step.kind in ("tick", "end") or (step.waited and step.kind != "acquire"):
            return False
        what = short_lock(step) if step.waited else None
        return not any(hold.lock == what and hold.first <= stopped < hold.last for hold in self._held)


def _during(mark: Mark, hold: Hold) -> bool:
    """Whether another CPU's mark lies within a hold."""
    return mark.cpu != hold.cpu and hold.first <= mark.at < hold.last


def _waited_for(step: Step, pfn: int | None) -> str:
    if step.kind == "acquire":
        return short_lock(step)
    if step.kind == "tick" or step.cause == "tick_sleep":
        return "a tick"
    if step.cause == "folio_lock" and pfn is not None:
        return f"folio {pfn}"
    return SLEEPS.get(step.cause or "", (step.cause or "an event").replace("_", " "))


def _shown_calls(marks: list[Mark]) -> list[tuple[str, ...]]:
    """The calls that are shown of each mark: those that only lead to one other call, and do nothing else, are not."""
    operations: dict[int, set[str]] = defaultdict(set)
    for mark in marks:
        if mark.operation is not None:
            operations[mark.cpu].add(mark.operation)
    whole = []
    leads_to: dict[tuple[int, tuple[str, ...]], set[str]] = defaultdict(set)
    for mark in marks:
        calls = mark.calls
        if len(operations[mark.cpu]) > 1 and mark.operation is not None:
            calls = (KERNEL_NAMES.get(mark.operation, mark.operation), *calls)
        whole.append(calls)
        leads_to[mark.cpu, calls].add("")
        for depth in range(len(calls)):
            leads_to[mark.cpu, calls[:depth]].add(calls[depth])
    return [
        tuple(
            name
            for depth, name in enumerate(calls, start=1)
            if depth == len(calls) or len(leads_to[mark.cpu, calls[:depth]]) > 1
        )
        for mark, calls in zip(marks, whole, strict=True)
    ]


def _common(before: tuple[str, ...], after: tuple[str, ...]) -> int:
    """How many calls both are in."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
