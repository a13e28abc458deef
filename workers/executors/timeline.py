"""From what a replay or the trace rings of a run hold to a workers.timeline.Timeline.

Called where the segment can be read: at rest, in the process that owns or maps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shm.records import WAITS, Entry, TraceRecord
from shm.snapshot import Snapshot
from workers.executors.execution import KINDS
from workers.executors.plan import attendants
from workers.executors.symbols import Symbols
from workers.executors.watched import Folios, Ptes, Segment, Slots
from workers.spec import RunSpec
from workers.timeline import MAX_RECORDS, Finding, SlotState, Step, Timeline, Touched

# Of a backtrace: below the code that one looks for, and above it.
AROUND_CODE = ("workers/executors/", "workers/cpu", "workers/lockdep", "workers/workloads/")
SHOWN_FRAMES = 10
AROUND = 24  # records of all CPUs that are shown before and after each end of a contention
AROUND_NS = 50_000
CANDIDATES = 20  # contentions that are looked at, the last ones, for one with another CPU at the same slot


def replay_timeline(
    buf: Any, plan: Any, spec: RunSpec, recorded: dict[str, Any], verdict: str, violations: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What a step recorder has told, as a Timeline. `verdict` is how the execution ended."""
    segment, symbols = Segment(buf), Symbols()
    slots, folios, ptes = Slots(segment), Folios(segment), Ptes(segment)
    of_region: dict[str, Any] = {"folios": folios, "ptes": ptes}
    of_region |= dict.fromkeys(("tables", "swap_map", "swap_cgroup"), slots)
    by_step: dict[int, list[tuple[str, int, int]]] = {}
    for step, region, index, value in recorded["changes"]:
        if step == 0:
            of_region[region].first(region, index, value)
        else:
            by_step.setdefault(step, []).append((region, index, value))
    first = recorded["first"]
    for step in sorted(step for step in by_step if step <= first):
        for change in by_step[step]:
            of_region[change[0]].put(*change)
    start = {"slots": slots.told(slots.known()), "folios": folios.told(folios.known()), "ptes": ptes.told(ptes.known())}
    steps = []
    for number, kept in enumerate(recorded["steps"], start=first + 1):
        changed: dict[Any, list[Any]] = {slots: [], folios: [], ptes: []}
        for change in by_step.get(number, []):
            changed[of_region[change[0]]].append(of_region[change[0]].put(*change))
        after: dict[str, list[Any]] = {"slots": slots.told(changed[slots]), "folios": folios.told(changed[folios])}
        steps.append(_step(kept, segment, symbols, after | {"ptes": ptes.told(changed[ptes])}))
    return Timeline(
        source="replay",
        protocol=spec.protocol,
        scenario=spec.scenario,
        hz=spec.hz,
        cpus=_names(plan, spec),
        steps=steps,
        **start,
        left_out_before=first,
        ending=verdict,
        findings=[Finding(law=v["law"], sentence=v["sentence"], detail=v["detail"]) for v in violations],
    ).model_dump(mode="json", exclude_defaults=True) | {"format": "swaprace-timeline", "version": 1}


def _names(plan: Any, spec: RunSpec) -> list[str]:
    names = ["discard" if disk is None else "disk" if disk == 0 else f"disk{disk}" for disk in attendants(spec)]
    return [f"cpu{cpu}" for cpu in range(spec.cpus)] + names


def _step(kept: tuple[Any, ...], segment: Segment, symbols: Symbols, after: dict[str, list[Any]]) -> Step:
    at_ns, offset, cpu, kind, cause, enabled, waited, frames = kept
    name = KINDS[kind]
    places = [place for place in map(symbols.place, frames) if place is not None]
    where = [place for place in places if not place.startswith(AROUND_CODE)]
    return Step(
        at_ns=at_ns,
        cpu=cpu,
        kind=name,
        object=segment.touched(offset, name),
        waited=waited,
        cause=WAITS[cause] if name == "park" else None,
        enabled=enabled,
        where=where[:SHOWN_FRAMES],
        **after,
    )


def trace_timeline(buf: Any, plan: Any, spec: RunSpec) -> dict[str, Any]:
    """The end of the CPUs' trace rings around the last contention, as a Timeline. All CPUs at rest."""
    with Snapshot(buf) as snapshot:
        rings = [snapshot.trace(cpu) for cpu in range(plan.workers)]
        size = snapshot.geometry.trace_records
    # A ring that is full has lost what came before its oldest record: before the latest of those, somebody is missing.
    since = max((ring[0].at_ns for ring in rings if len(ring) == size), default=0)
    merged = sorted(
        ((record, cpu) for cpu, ring in enumerate(rings) for record in ring if record.at_ns >= since),
        key=lambda each: (each[0].at_ns, each[1]),
    )
    chosen = _episode(merged, since)
    shown = [merged[at] for at in chosen]
    origin = shown[0][0].at_ns if shown else 0
    before, after = (chosen[0], len(merged) - 1 - chosen[-1]) if chosen else (0, 0)
    return Timeline(
        source="trace",
        protocol=spec.protocol,
        scenario=spec.scenario,
        hz=spec.hz,
        cpus=_names(plan, spec),
        steps=[_traced(record, cpu, origin) for record, cpu in shown],
        left_out_before=before,
        left_out_between=len(merged) - before - after - len(shown),
        left_out_after=after,
        ending=f"{len(shown)} of the last {len(merged)} records of the CPUs' trace rings",
    ).model_dump(mode="json", exclude_defaults=True) | {"format": "swaprace-timeline", "version": 1}


def _episode(merged: Sequence[tuple[TraceRecord, int]], since: int) -> list[int]:
    """Places of the records to show: the last contention whole, what others did to its slot meanwhile, and what
    happened around both of its ends. Without any contention, the last records."""
    waits = [at for at in range(len(merged)) if _is_contention(merged[at][0])]
    if not waits:
        return list(range(max(0, len(merged) - MAX_RECORDS), len(merged)))
    whole = [at for at in waits if merged[at][0].at_ns - merged[at][0].pfn >= since + AROUND_NS]
    candidates = [_meanwhile(merged, at) for at in reversed((whole or waits)[-CANDIDATES:])]
    inside, last = next((each for each in candidates if len({merged[at][1] for at in each[0]}) > 1), candidates[0])
    begin_ns = merged[last][0].at_ns - merged[last][0].pfn
    began = next((at for at, (each, _) in enumerate(merged) if each.at_ns >= begin_ns), last)
    ends = [*range(began - AROUND, began + AROUND), *range(last - AROUND, last + AROUND)]
    return sorted({*inside, *(at for at in ends if 0 <= at < len(merged))})[:MAX_RECORDS]


def _meanwhile(merged: Sequence[tuple[TraceRecord, int]], last: int) -> tuple[list[int], int]:
    """Records of whoever waited until `last`, and of the others about the slot that it waited for."""
    record, cpu = merged[last]
    begin_ns, end_ns = record.at_ns - record.pfn, record.at_ns
    entry = next((each.entry for each, by in merged[last:] if by == cpu and each.entry is not None), None)
    places = [
        at
        for at, (each, by) in enumerate(merged)
        if begin_ns - AROUND_NS <= each.at_ns <= end_ns + AROUND_NS
        and (by == cpu or (entry is not None and each.entry == entry))
    ]
    return places, last


def _is_contention(record: TraceRecord) -> bool:
    return record.kind == "tick_sleep" or (record.kind == "wait" and record.arg == WAITS.index("folio_lock"))


def _traced(record: TraceRecord, cpu: int, origin: int) -> Step:
    over = record.kind in ("tick_sleep", "wait")
    entry = record.entry
    slot = f"{entry.device}:{entry.offset}" if isinstance(entry, Entry) else None
    pfn = record.pfn or None
    touched = None
    if slot is not None:
        words = f"slot {slot}" + (f", folio {pfn}" if pfn else "")
        touched = Touched(type="slot", name=words, slot=slot, pfn=pfn)
    states = {
        "add_folio": ("pfn", pfn),
        "del_folio": ("uncached", None),
        "free_slot": ("uncached", None),
        "alloc_slot": ("uncached", None),
    }
    changed = []
    if slot is not None and record.kind in states:
        word, value = states[record.kind]
        changed.append(SlotState(slot=slot, word=word, value=value))
    return Step(
        at_ns=record.at_ns - origin,
        cpu=cpu,
        kind=record.kind,
        object=None if over else touched,
        duration_ns=record.pfn if over else None,
        cause=WAITS[record.arg] if over and record.arg < len(WAITS) else None,
        slots=changed,
    )
