"""A timeline of known content: two CPUs fault the slot 0:1; the second waits for the first one's folio."""

from __future__ import annotations

from typing import Any

from workers.timeline import FolioState, SlotState, Step, Timeline, Touched

CLUSTER = Touched(type="cluster", name="cluster lock 0", lock=True)
PTL = Touched(type="page table", name="page table lock 0", lock=True)
WORD = Touched(type="swap table", name="table word of slot 0:1", slot="0:1")
FOLIO = Touched(type="folio", name="folio 8 flags", pfn=8)


def slot(word: str, value: int | None = None, count: int = 1) -> SlotState:
    return SlotState(slot="0:1", word=word, value=value, count=count, has_cache=word == "pfn")


def folio(locked_by: str | None) -> FolioState:
    return FolioState(pfn=8, flags=["locked"] if locked_by else [], refcount=2, mapcount=0, locked_by=locked_by)


def two_faults() -> Timeline:
    """Steps 1 to 14; the comment of each is its number as people count."""
    told: list[tuple[int, str, dict[str, Any]]] = [
        (0, "start", {}),  # 1
        (1, "start", {}),  # 2
        (0, "acquire", {"object": CLUSTER}),  # 3
        (0, "atomic", {"object": WORD, "slots": [slot("pfn", 8)], "folios": [folio("cpu0")]}),  # 4
        (0, "release", {"object": CLUSTER}),  # 5
        (1, "acquire", {"object": CLUSTER, "waited": True}),  # 6
        (1, "release", {"object": CLUSTER}),  # 7
        (1, "atomic", {"object": WORD}),  # 8
        (0, "busy", {}),  # 9
        (0, "atomic", {"object": FOLIO, "folios": [folio("cpu1")]}),  # 10
        (1, "park", {"cause": "folio_lock", "waited": True}),  # 11
        (1, "trylock", {"object": PTL}),  # 12
        (0, "tick", {"waited": True}),  # 13
        (1, "acquire", {"object": CLUSTER}),  # 14
    ]
    steps = [
        Step(at_ns=5 * at, cpu=cpu, kind=kind, enabled=2, where=["workers/mm/filemap.pyx:folio_lock"], **more)
        for at, (cpu, kind, more) in enumerate(told)
    ]
    return Timeline(
        source="replay",
        protocol="swap_cache",
        scenario="thread_fault",
        hz=250,
        cpus=["cpu0", "cpu1"],
        steps=steps,
        slots=[slot("shadow", 257)],
        folios=[folio(None)],
        ending="completed",
    )
