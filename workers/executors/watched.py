"""What a replay watches in a segment: where everything lies, and what the watched words mean at each step.

Called where the segment can be read: at rest, in the process that owns or maps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shm.encoding import decode_map_byte, decode_pte, decode_swp_entry, decode_table_word, table_count
from shm.records import FOLIO_FLAGS, Span
from shm.snapshot import Snapshot, field_offsets
from workers.timeline import FolioState, PteState, SlotState, Touched

LOCKS = {
    "wait_queues": "wait queue",
    "mmlist_lock": "mmlist lock",
    "swapon_mutex": "swapon_mutex",
    "swap_avail": "swap_avail",
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


class Slots:
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


class Folios:
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


class Ptes:
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
        return PteState(mm=mm, page=page, kind=kind if kind in ("present", "poisoned") else "none", pfn=value or None)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
