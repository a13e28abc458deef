"""What of an interleaving is worth a line: changes of the slots, folios and PTEs that matter, locks that meet, waits.

A mark stands at a step, on that step's CPU. Which slots matter follows from the findings and from who touches them; the
folios and PTEs that matter are those that are ever named by such a slot, or name it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from workers.diagram.names import calls_of, function_of, operation_of
from workers.timeline import FolioState, PteState, SlotState, Step, Timeline

MarkKind = Literal["slot", "folio", "pte", "lock", "unlock", "trylock", "wait", "lookup", "new", "broken", "cycle"]
ENTRY = re.compile(r"entry (0x[0-9a-f]+)")  # how the detail of a finding names a slot
PLACE = re.compile(r"device (\d+) slot (\d+)")
SLOT = re.compile(r"slot (\d+:\d+)")
CYCLE = re.compile(r"the (\d+) steps from step (\d+) on repeat for ever")
TYPE_SHIFT = 58  # of a swp_entry_t: shm/swp_entry.pxd
MOST_SLOTS = 4
BROKEN = "broken"  # the ending of an execution that stops where a law does not hold: at its last step
SHOWN_FLAGS = {"writeback": ("writeback begins", "writeback ends"), "uptodate": ("uptodate", "")}
SHORT_LOCKS = {"page table": "ptl", "i_pages": "i_pages", "mmlist lock": "mmlist"}


@dataclass(frozen=True)
class Mark:
    """A line to be: `at` is the step's number from 0, `rank` how early it goes when there is no room (1 last).

    `lock`: of a wait and of a trylock that fails, what it is about.
    """

    at: int
    cpu: int
    calls: tuple[str, ...]
    operation: str | None
    kind: MarkKind
    text: str
    rank: int = 1
    lock: str | None = None


@dataclass
class Hold:
    """A lock in the hands of a CPU, from step `first` to step `last`; `last` is beyond the steps while it is held."""

    cpu: int
    lock: str
    first: int
    last: int


@dataclass
class Subjects:
    """Which slots, folios and PTEs the diagram is about."""

    slots: set[str] = field(default_factory=set)
    folios: set[int] = field(default_factory=set)
    ptes: set[tuple[int, int]] = field(default_factory=set)


def subjects(timeline: Timeline) -> Subjects:
    """What matters: blamed slots, else those of several CPUs, else the busiest; and the folios and PTEs around them."""
    blamed = {slot for finding in timeline.findings for slot in _blamed(finding.detail)}
    touched: dict[str, set[int]] = defaultdict(set)
    busy: Counter[str] = Counter()
    changed: dict[int, set[str]] = defaultdict(set)
    for step in timeline.steps:
        named = [state.slot for state in step.slots]
        changed[step.cpu].update(named)
        if step.object is not None and step.object.slot is not None:
            named.append(step.object.slot)
        for slot in dict.fromkeys(named):
            touched[slot].add(step.cpu)
            busy[slot] += 1
    shared = [slot for slot, _ in busy.most_common() if len(touched[slot]) > 1]
    found = [slot for slot in busy if slot in blamed]
    found += [slot for slot in shared if slot not in found]
    for own in changed.values():  # a CPU whose slots are none of these is drawn with its busiest
        if own and not own & set(found):
            found.append(max(sorted(own), key=lambda slot: busy[slot]))
    about = Subjects(slots=set((found or [slot for slot, _ in busy.most_common(1)])[:MOST_SLOTS]))
    states = [*timeline.slots, *(state for step in timeline.steps for state in step.slots)]
    about.folios = {
        state.value for state in states if state.slot in about.slots and state.word == "pfn" and state.value
    }
    entries = [*timeline.ptes, *(state for step in timeline.steps for state in step.ptes)]
    near = [pte for pte in entries if pte.slot in about.slots or pte.pfn in about.folios]
    about.ptes = {(pte.mm, pte.page) for pte in near}
    about.folios |= {pte.pfn for pte in entries if (pte.mm, pte.page) in about.ptes and pte.pfn}
    return about


def _blamed(detail: str) -> Iterator[str]:
    return (found[1] for found in SLOT.finditer(in_words(detail)))


def in_words(detail: str) -> str:
    """The detail of a finding with its entries and places as `slot device:offset`."""

    def slot(found: re.Match[str]) -> str:
        entry = int(found[1], 16)
        if entry == 0:
            return found[0]
        return f"slot {entry >> TYPE_SHIFT & 0x1F}:{entry & ((1 << TYPE_SHIFT) - 1)}"

    return PLACE.sub(r"slot \1:\2", ENTRY.sub(slot, detail))


def cycle_of(timeline: Timeline) -> range | None:
    """The steps (from 0) that a finding says to repeat for ever; None when none does, or they are not all kept."""
    found = next((match for each in timeline.findings if (match := CYCLE.match(each.detail))), None)
    if found is None:
        return None
    begin = int(found[2]) - timeline.left_out_before
    end = begin + int(found[1])
    return range(begin, end) if begin >= 0 and end <= len(timeline.steps) else None


def once_around(timeline: Timeline) -> Timeline:
    """The timeline up to the end of the first round of its cycle, if it has one."""
    around = cycle_of(timeline)
    return timeline if around is None else timeline.model_copy(update={"steps": timeline.steps[: around.stop]})


def holds(timeline: Timeline) -> list[Hold]:
    """Every hold of a lock and of a folio's lock. A trylock counts once its release shows that it was taken."""
    found: list[Hold] = []
    taken: dict[tuple[int, str], tuple[int, bool]] = {}
    owners = {state.pfn: (state.locked_by, 0) for state in timeline.folios}
    end = len(timeline.steps)
    for at, step in enumerate(timeline.steps):
        if step.object is not None and step.object.lock:
            key = (step.cpu, short_lock(step))
            if step.kind in ("acquire", "trylock"):
                taken[key] = (at, step.kind == "acquire")
            elif step.kind == "release":
                found.append(Hold(*key, taken.pop(key, (0, True))[0], at))
        for folio in step.folios:
            owner, since = owners.get(folio.pfn, (None, at))
            if owner == folio.locked_by:
                continue
            if owner in timeline.cpus:
                found.append(Hold(timeline.cpus.index(owner), f"folio {folio.pfn}", since, at))
            owners[folio.pfn] = (folio.locked_by, at)
    found += [Hold(*key, at, end) for key, (at, sure) in taken.items() if sure]
    for pfn, (owner, since) in owners.items():
        if owner in timeline.cpus:
            found.append(Hold(timeline.cpus.index(owner), f"folio {pfn}", since, end))
    return sorted(found, key=lambda hold: (hold.first, hold.last))


def short_lock(step: Step) -> str:
    """A lock as a diagram calls it: `cluster 0` for `cluster lock 0`."""
    assert step.object is not None
    name = step.object.name.replace(" lock ", " ") if step.object.lock else step.object.name
    for long, short in SHORT_LOCKS.items():
        name = name.replace(long, short)
    return name


def words_of(slot: SlotState) -> str:
    """What the table has for a slot."""
    return f"folio {slot.value}" if slot.word == "pfn" else slot.word


def is_free(slot: SlotState) -> bool:
    """Whether nobody has the slot."""
    return not slot.count and not slot.has_cache and slot.word in ("null", "shadow")


class Marks:
    """The marks of a timeline, in the order of its steps, without locks and waits (workers/diagram/rows.py)."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.about = subjects(timeline)
        self._slots = {state.slot: state for state in timeline.slots}
        self._folios = {state.pfn: state for state in timeline.folios}
        self._near: dict[int, str] = {}  # the slot that a CPU has touched last
        self._pte_tag = len(self.about.ptes) > 1
        self.found: list[Mark] = []
        for at, step in enumerate(timeline.steps):
            self.found += [mark for mark in self._of(at, step) if not self._is_again(mark)]
        if timeline.ending == BROKEN and timeline.findings and timeline.steps:
            self.found.append(self.mark(len(timeline.steps) - 1, "broken", f"<breaks {timeline.findings[0].law}>"))
        around = cycle_of(timeline)
        if around is not None:
            cycle = self.mark(around.start, "cycle", "<from here again and again>")
            self.found.append(replace(cycle, calls=()))

    def mark(self, at: int, kind: MarkKind, text: str, rank: int = 1, lock: str | None = None) -> Mark:
        """A mark at a step."""
        step = self._timeline.steps[at]
        return Mark(at, step.cpu, calls_of(step.where), operation_of(step.where), kind, text, rank, lock)

    def _of(self, at: int, step: Step) -> Iterator[Mark]:
        yield from self._looked_at(at, step)
        for slot in step.slots:
            before = self._slots.get(slot.slot)
            self._slots[slot.slot] = slot
            if before is not None and slot.slot in self.about.slots:
                yield from self._slot(at, before, slot)
        for folio in step.folios:
            old = self._folios.get(folio.pfn)
            self._folios[folio.pfn] = folio
            if old is not None and folio.pfn in self.about.folios:
                yield from self._folio(at, old, folio)
        for pte in step.ptes:
            if (pte.mm, pte.page) in self.about.ptes:
                yield self.mark(at, "pte", self._pte(pte))

    def _is_again(self, mark: Mark) -> bool:
        """Whether a CPU looks a second time, as a lookup does that checks what it has found, and sees the same."""
        last = self.found[-1] if self.found else None
        return last is not None and (mark.kind, mark.cpu, mark.text) == ("lookup", last.cpu, last.text)

    def _looked_at(self, at: int, step: Step) -> Iterator[Mark]:
        """A lookup in the cache, a claim that is refused, and a folio's lock that is not to be had."""
        if step.object is None or not step.where:
            return
        if step.object.slot in self.about.slots:
            self._near[step.cpu] = step.object.slot
        inner = function_of(step.where[0])
        if inner == "swap_cache_get_folio" and step.object.slot in self.about.slots:
            slot = self._slots.get(step.object.slot)
            if slot is not None:
                yield self.mark(at, "lookup", f"finds {words_of(slot)}" if slot.word == "pfn" else "finds no folio", 2)
        claimed = self._slots.get(self._near.get(step.cpu, ""))
        asks = step.kind == "acquire" and "swapcache_prepare" in map(function_of, step.where) and not step.slots
        if asks and claimed is not None and claimed.has_cache:
            yield self.mark(at, "lookup", "finds HAS_CACHE set")
        folio = self._folios.get(step.object.pfn) if step.object.pfn is not None else None
        if inner == "folio_trylock" and folio is not None and folio.locked_by is not None:
            yield self.mark(at, "trylock", f"trylock folio {folio.pfn} fails", lock=f"folio {folio.pfn}")

    def _slot(self, at: int, before: SlotState, after: SlotState) -> Iterator[Mark]:
        name, free, was_free = f"slot {after.slot}", is_free(after), is_free(before)
        if before.count != after.count:
            yield self.mark(at, "slot", f"{name} count {before.count}->{after.count}")
        if words_of(before) != words_of(after) and not (free and was_free):
            yield self.mark(at, "slot", f"{name} {words_of(before)}->{words_of(after)}")
        if was_free and not free and before.word == after.word and before.count == after.count:
            yield self.mark(at, "slot", f"{name} allocated")
        elif bool(before.has_cache) != bool(after.has_cache) and not free and before.word == after.word:
            yield self.mark(at, "slot", f"{name} HAS_CACHE {int(bool(before.has_cache))}->{int(bool(after.has_cache))}")
        if free and not was_free:
            yield self.mark(at, "slot", f"{name} is free")
        if before.memcg != after.memcg:
            odd = free == bool(after.memcg)
            yield self.mark(at, "slot", f"{name} cgroup id {before.memcg}->{after.memcg}", 1 if odd else 3)

    def _folio(self, at: int, before: FolioState, after: FolioState) -> Iterator[Mark]:
        name, old, new = f"folio {after.pfn}", set(before.flags), set(after.flags)
        if before.refcount == 0 and after.refcount > 0 and not old:
            yield self.mark(at, "new", f"{name} allocated")
        elif before.refcount > 0 and after.refcount <= 0 and "locked" in new:
            yield self.mark(at, "folio", f"{name} refs {before.refcount}->{after.refcount}", 2)
        elif after.refcount < 0 <= before.refcount:
            yield self.mark(at, "folio", f"{name} refs {before.refcount}->{after.refcount}")
        for flag, texts in SHOWN_FLAGS.items():
            text = texts[flag in old]
            if (flag in old) != (flag in new) and text and new:
                yield self.mark(at, "folio", f"{name} {text}", 2)
        if old and not new and after.refcount == 0:
            yield self.mark(at, "folio", f"{name} freed", 2)

    def _pte(self, pte: PteState) -> str:
        tag = f" mm{pte.mm} p{pte.page}" if self._pte_tag else ""
        to = {"swap": f"slot {pte.slot}", "present": f"folio {pte.pfn}"}.get(pte.kind, pte.kind)
        return f"pte{tag} -> {to}"
