"""What a timeline says beyond its steps: who holds and waits for what from when to when, and the states at a step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from workers.timeline import FolioState, SlotState, Step, Timeline

SpanKind = Literal["hold", "wait", "sleep"]
ENTRY = re.compile(r"entry (0x[0-9a-f]+)")  # how the detail of a finding names a slot
TYPE_SHIFT = 58  # of a swp_entry_t: shm/swp_entry.pxd
SLEEPS = ("tick", "tick_sleep")
CPU_WAITS = ("acquire", "park")  # of a replay: steps that may have to wait before they happen


@dataclass(frozen=True)
class Span:
    """A bar: of a CPU, from the step `first` to the step `last`, both counted from 0 among the kept ones.

    `level` is how many holds of the CPU lie below it. `open` tells that the end is not among the kept steps.
    """

    cpu: int
    kind: SpanKind
    label: str
    first: int
    last: int
    level: int = 0
    open: bool = False


def slot_of_entry(entry: int) -> str:
    """A swp_entry_t as device:offset."""
    return f"{entry >> TYPE_SHIFT & 0x1F}:{entry & ((1 << TYPE_SHIFT) - 1)}"


class Story:
    """A timeline with what follows from it."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    @property
    def steps(self) -> list[Step]:
        """The kept steps."""
        return self.timeline.steps

    @cached_property
    def spans(self) -> list[Span]:
        """Holds, waits and sleeps, by their first step."""
        found = [*self._lock_holds(), *self._folio_holds(), *self._waits()]
        return sorted(_with_levels(found), key=lambda span: (span.first, span.cpu))

    @cached_property
    def slots(self) -> list[str]:
        """Slots that steps change or touch: those that a finding names, then those of most CPUs, then the busiest."""
        steps: Counter[str] = Counter()
        cpus: dict[str, set[int]] = {}
        for step in self.steps:
            named = [state.slot for state in step.slots]
            if step.object is not None and step.object.slot is not None:
                named.append(step.object.slot)
            steps.update(named)
            for slot in named:
                cpus.setdefault(slot, set()).add(step.cpu)
        blamed = {
            slot_of_entry(int(found, 16)) for each in self.timeline.findings for found in ENTRY.findall(each.detail)
        }
        return sorted(steps, key=lambda slot: (slot not in blamed, -len(cpus[slot]), -steps[slot]))

    @cached_property
    def start(self) -> int:
        """Where to begin to look: a replay at its first step, a trace where its contention ends."""
        ends = [at for at, step in enumerate(self.steps) if step.duration_ns is not None and step.kind != "folio_wait"]
        return max(ends, key=lambda at: self.steps[at].duration_ns or 0, default=0)

    def slot_at(self, slot: str, at: int) -> SlotState | None:
        """The state of a slot after step `at`; None when nothing tells it."""
        state = next((each for each in self.timeline.slots if each.slot == slot), None)
        for step in self.steps[: at + 1]:
            state = next((each for each in step.slots if each.slot == slot), state)
        return state

    def slot_story(self, slot: str) -> list[tuple[int, SlotState]]:
        """Every state of a slot with the step after which it holds; -1 is before the first step."""
        told = [(-1, each) for each in self.timeline.slots if each.slot == slot]
        for at, step in enumerate(self.steps):
            told += [(at, each) for each in step.slots if each.slot == slot]
        return told

    def folios_at(self, at: int) -> list[FolioState]:
        """The folios that the timeline knows, as they are after step `at`, by PFN."""
        states = {each.pfn: each for each in self.timeline.folios}
        for step in self.steps[: at + 1]:
            states.update({each.pfn: each for each in step.folios})
        return [states[pfn] for pfn in sorted(states)]

    def going_on(self, at: int) -> list[Span]:
        """The spans that cover step `at`."""
        return [span for span in self.spans if span.first <= at <= span.last]

    def next_change(self, slot: str, at: int, *, forward: bool) -> int | None:
        """The nearest step after (or before) `at` that changes or touches a slot."""
        places = range(at + 1, len(self.steps)) if forward else range(at - 1, -1, -1)
        return next((place for place in places if self._concerns(self.steps[place], slot)), None)

    @staticmethod
    def _concerns(step: Step, slot: str) -> bool:
        return any(each.slot == slot for each in step.slots) or (step.object is not None and step.object.slot == slot)

    def _lock_holds(self) -> Iterator[Span]:
        """From the acquire to the release. A trylock counts once its release shows that it was taken."""
        taken: dict[tuple[int, str], tuple[int, bool]] = {}
        for at, step in enumerate(self.steps):
            if step.object is None or not step.object.lock:
                continue
            key = (step.cpu, step.object.name)
            if step.kind in ("acquire", "trylock"):
                taken[key] = (at, step.kind == "acquire")
            elif step.kind == "release":
                first, _ = taken.pop(key, (0, True))
                yield Span(step.cpu, "hold", step.object.name, first, at)
        for (cpu, name), (at, sure) in taken.items():
            if sure:
                yield Span(cpu, "hold", name, at, len(self.steps) - 1, open=True)

    def _folio_holds(self) -> Iterator[Span]:
        """A folio lock is a bit: whoever stands as its owner holds it."""
        locked = [each for each in self.timeline.folios if each.locked_by]
        held: dict[int, tuple[int, str | None]] = {each.pfn: (0, each.locked_by) for each in locked}
        for at, step in enumerate(self.steps):
            for state in step.folios:
                first, owner = held.get(state.pfn, (at, None))
                if owner == state.locked_by:
                    continue
                if owner in self.timeline.cpus:
                    yield Span(self.timeline.cpus.index(owner), "hold", f"folio {state.pfn}", first, at)
                held[state.pfn] = (at, state.locked_by)
        for pfn, (first, owner) in held.items():
            if owner in self.timeline.cpus:
                last = len(self.steps) - 1
                yield Span(self.timeline.cpus.index(owner), "hold", f"folio {pfn}", first, last, open=True)

    def _waits(self) -> Iterator[Span]:
        before: dict[int, int] = {}
        for at, step in enumerate(self.steps):
            first = before.get(step.cpu, 0)
            before[step.cpu] = at
            if step.duration_ns is not None:
                began_ns = step.at_ns - step.duration_ns
                first = next(place for place, each in enumerate(self.steps) if each.at_ns >= began_ns or place == at)
                label = (step.cause or step.kind).replace("_", " ")
                yield Span(step.cpu, "sleep" if step.kind in SLEEPS else "wait", label, first, at)
            elif step.kind in SLEEPS:
                yield Span(step.cpu, "sleep", "tick sleep", first, at)
            elif step.waited and step.kind in CPU_WAITS:
                what = step.object.name if step.object is not None and step.kind == "acquire" else step.cause
                yield Span(step.cpu, "wait", (what or "an event").replace("_", " "), first, at)


def _with_levels(spans: list[Span]) -> Iterator[Span]:
    """Holds of one CPU that overlap lie on each other, the outer one below."""
    below: dict[int, list[Span]] = {}
    for span in sorted(spans, key=lambda each: (each.first, -each.last)):
        if span.kind != "hold":
            yield span
            continue
        going_on = [each for each in below.get(span.cpu, []) if each.last > span.first]
        taken = {each.level for each in going_on}
        level = next(level for level in range(len(taken) + 1) if level not in taken)
        placed = Span(span.cpu, span.kind, span.label, span.first, span.last, level, span.open)
        below[span.cpu] = [*going_on, placed]
        yield placed
