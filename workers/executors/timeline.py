"""From what a replay or the trace rings of a run hold to a workers.timeline.Timeline.

Called where the segment can be read: at rest, in the process that owns or maps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from shm.encoding import decode_map_byte, decode_pte, decode_swp_entry, decode_table_word, table_count
from shm.records import FOLIO_FLAGS, WAITS, Entry, Span, TraceRecord
from shm.snapshot import Snapshot, field_offsets
from workers.executors.execution import KINDS
from workers.executors.symbols import Symbols
from workers.spec import RunSpec
from workers.timeline import MAX_RECORDS, Finding, FolioState, PteState, SlotState, Step, Timeline, Touched

# Of a backtrace: below the code that one looks for, and above it.
AROUND_CODE = ("workers/executors/", "workers/cpu", "workers/lockdep", "workers/workloads/")
SHOWN_FRAMES = 10
LOCKS = {
    "wait_queues": "wait queue",
    "mmlist_lock": "mmlist lock",
    "swapon_mutex": "swapon_mutex",
    "si": "si",
    "devices": "device",
    "clusters": "cluster",
    "xa_locks": "i_pages",
    "memcgs": "memcg",
    "anon_vmas": "anon_vma",
    "ptls": "page table",
}
MMAP_LOCK = field_offsets()["mm_struct"]["mmap_lock"][0]
LOCK_KINDS = ("acquire", "trylock", "release")
IO_OWNER = 0xFFFF  # shm/folio.pxd
AROUND = 24  # records of all CPUs that are shown before and after each end of a contention
AROUND_NS = 50_000
CANDIDATES = 20  # contentions that are looked at, the last ones, for one with another CPU at the same slot


class Segment:
    """What is where in the segment of a run, and what the watched words mean."""

    def __init__(self, buf: Any) -> None:
        self._buf = buf
        with Snapshot(buf) as snapshot:
            self.arrays = snapshot.arrays()
            self.geometry = snapshot.geometry
            self.tables = {
                cluster.table: (device, cluster.index)
                for device in range(snapshot.geometry.devices)
                for cluster in snapshot.clusters(device)
                if cluster.table is not None
            }
        self._table_at = {place: table for table, place in self.tables.items()}
        self.folio_fields = {offset: name for name, (offset, _) in field_offsets()["folio_t"].items()}

    def slot_of_word(self, index: int) -> str | None:
        """The slot of a word of the tables; None for a table that no cluster has at rest."""
        table, inside = divmod(index, self.geometry.cluster_slots)
        place = self.tables.get(table)
        return None if place is None else f"{place[0]}:{place[1] * self.geometry.cluster_slots + inside}"

    def slot_of_byte(self, index: int) -> str:
        """The slot of a byte of the swap_map."""
        device, offset = divmod(index, self.geometry.slots)
        return f"{device}:{offset}"

    def at_rest(self, region: str, index: int) -> int:
        """A word of a region as it is now: for words that no step has changed, as it always was."""
        span = self.arrays[region]
        size = 8 if region == "folios" else span.item
        at = span.offset + index * size
        return int.from_bytes(self._buf[at : at + size], "little")

    def word_of_slot(self, slot: str) -> int | None:
        """The table word of a slot now; None when its cluster has no table."""
        device, offset = (int(part) for part in slot.split(":"))
        cluster, inside = divmod(offset, self.geometry.cluster_slots)
        table = self._table_at.get((device, cluster))
        return None if table is None else self.at_rest("tables", table * self.geometry.cluster_slots + inside)

    def byte_of_slot(self, slot: str) -> int:
        """The swap_map byte of a slot now; 0 from 7.1 on, where there is none."""
        if self.arrays["swap_map"].count == 0:
            return 0
        device, offset = (int(part) for part in slot.split(":"))
        return self.at_rest("swap_map", device * self.geometry.slots + offset)

    def id_of_slot(self, slot: str) -> int:
        """The cgroup id of a slot now; 0: none."""
        device, offset = (int(part) for part in slot.split(":"))
        return self.at_rest("swap_cgroup", device * self.geometry.slots + offset)

    def touched(self, offset: int, kind: str) -> Touched | None:
        """What lies at an offset of the segment; None for one outside."""
        if not offset:
            return None
        for name, span in self.arrays.items():
            if span.offset <= offset < span.offset + span.item * span.count:
                return self._named(name, *divmod(offset - span.offset, span.item), kind=kind)
        return None

    def _named(self, array: str, index: int, inside: int, *, kind: str) -> Touched:
        if array == "folios":
            field = self.folio_fields.get(inside, "word")
            return Touched(type="folio", name=f"folio {index} {field}", pfn=index)
        if array == "tables":
            slot = self.slot_of_word(index)
            return Touched(type="swap table", name=f"table word of slot {slot or '?'}", slot=slot)
        if array == "swap_map":
            slot = self.slot_of_byte(index)
            return Touched(type="swap_map", name=f"swap_map byte of slot {slot}", slot=slot)
        if array == "swap_cgroup":
            slot = self.slot_of_byte(index)
            return Touched(type="swap_cgroup", name=f"cgroup id of slot {slot}", slot=slot)
        if array == "ptes":
            mm, page = divmod(index, self.geometry.pages)
            return Touched(type="page table", name=f"PTE of page {page}, mm {mm}")
        if array == "mms":
            return Touched(type="mm", name=f"mmap_lock of mm {index}" if inside == MMAP_LOCK else f"mm {index}")
        if array == "handles":
            slot = self.slot_of_byte(index)
            return Touched(type="zram", name=f"block of slot {slot}", slot=slot)
        if array == "percpu":
            return Touched(type="cpu", name=f"wake-ups of cpu {index}")
        if array in LOCKS and kind in LOCK_KINDS:
            return Touched(type=LOCKS[array], name=f"{LOCKS[array]} lock {index}", lock=True)
        return Touched(type=array, name=f"{LOCKS.get(array, array)} {index}, +{inside:#x}")


def replay_timeline(
    buf: Any, plan: Any, spec: RunSpec, recorded: dict[str, Any], verdict: str, violations: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What a step recorder has told, as a Timeline. `verdict` is how the execution ended."""
    segment, symbols = Segment(buf), Symbols()
    slots, folios, ptes = _Slots(segment), _Folios(segment), _Ptes(segment)
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
    return [f"cpu{cpu}" if cpu < spec.cpus else "disk" for cpu in range(plan.workers)]


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


class _Slots:
    """The watched slots: their table words, bytes and cgroup ids, as they are at one step."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._words: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        self._ids: dict[str, int] = {}
        self._of_region = {"tables": self._words, "swap_map": self._bytes, "swap_cgroup": self._ids}

    def first(self, region: str, index: int, value: int) -> None:
        """The value of a word before the first step; later ones are not first."""
        slot = self._slot(region, index)
        if slot is not None:
            self._of_region[region].setdefault(slot, value)

    def put(self, region: str, index: int, value: int) -> str | None:
        """A word's new value; its slot."""
        slot = self._slot(region, index)
        if slot is not None:
            self._of_region[region][slot] = value
        return slot

    def known(self) -> list[str | None]:
        """Every slot that some step changes."""
        return [*self._words, *self._bytes, *self._ids]

    def told(self, slots: Iterable[str | None]) -> list[SlotState]:
        """The states of `slots`, once each; a word or byte that no step changes is the one at rest."""
        return [self._state(slot) for slot in dict.fromkeys(slots) if slot is not None]

    def _state(self, slot: str) -> SlotState:
        word = self._words.get(slot, self._segment.word_of_slot(slot))
        kind, value = decode_table_word(word) if word is not None else ("null", 0)
        count, has_cache, bad = decode_map_byte(self._bytes.get(slot, self._segment.byte_of_slot(slot)))
        if word is not None and kind in ("pfn", "shadow"):
            count += table_count(word)  # from 7.1 on the word counts; before, these bits are 0
        memcg = self._ids.get(slot, self._segment.id_of_slot(slot))
        return SlotState(
            slot=slot, word="bad" if bad else kind, value=value or None, count=count, has_cache=has_cache, memcg=memcg
        )

    def _slot(self, region: str, index: int) -> str | None:
        return self._segment.slot_of_word(index) if region == "tables" else self._segment.slot_of_byte(index)


class _Folios:
    """The watched folios, as words of 8 bytes."""

    def __init__(self, segment: Segment) -> None:
        span: Span = segment.arrays["folios"]
        self._segment = segment
        self._words = span.item // 8
        self._fields = field_offsets()["folio_t"]
        self._values: dict[int, dict[int, int]] = {}

    def first(self, _region: str, index: int, value: int) -> None:
        """As of slots."""
        pfn, word = divmod(index, self._words)
        self._values.setdefault(pfn, {}).setdefault(word, value)

    def put(self, _region: str, index: int, value: int) -> int:
        """As of slots; the folio's PFN."""
        pfn, word = divmod(index, self._words)
        self._values.setdefault(pfn, {})[word] = value
        return pfn

    def known(self) -> list[int]:
        """Every folio that some step changes."""
        return list(self._values)

    def told(self, pfns: Iterable[int]) -> list[FolioState]:
        """The states of folios, once each."""
        return [self._state(pfn) for pfn in dict.fromkeys(pfns)]

    def _state(self, pfn: int) -> FolioState:
        flags, owner = self._field(pfn, "flags"), self._field(pfn, "lock_owner")
        return FolioState(
            pfn=pfn,
            flags=[name for bit, name in enumerate(FOLIO_FLAGS) if flags >> bit & 1],
            refcount=_signed(self._field(pfn, "refcount")),
            mapcount=_signed(self._field(pfn, "mapcount")),
            locked_by=None if owner == 0 else "io" if owner == IO_OWNER else f"cpu{owner - 1}",
        )

    def _field(self, pfn: int, name: str) -> int:
        offset, size = self._fields[name]
        at = offset // 8
        word = self._values[pfn].get(at)
        if word is None:
            word = self._segment.at_rest("folios", pfn * self._words + at)
        return word >> (offset % 8 * 8) & ((1 << size * 8) - 1)


class _Ptes:
    """The watched page-table entries."""

    def __init__(self, segment: Segment) -> None:
        self._pages = segment.geometry.pages
        self._values: dict[int, int] = {}

    def first(self, _region: str, index: int, value: int) -> None:
        """As of slots."""
        self._values.setdefault(index, value)

    def put(self, _region: str, index: int, value: int) -> int:
        """As of slots; the entry's number."""
        self._values[index] = value
        return index

    def known(self) -> list[int]:
        """Every entry that some step changes."""
        return list(self._values)

    def told(self, indexes: Iterable[int]) -> list[PteState]:
        """The states of entries, once each."""
        return [self._state(index) for index in dict.fromkeys(indexes)]

    def _state(self, index: int) -> PteState:
        mm, page = divmod(index, self._pages)
        kind, value = decode_pte(self._values[index])
        if kind == "swap":
            device, offset = decode_swp_entry(value)
            return PteState(mm=mm, page=page, kind="swap", slot=f"{device}:{offset}")
        return PteState(mm=mm, page=page, kind="present" if kind == "present" else "none", pfn=value or None)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


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
