"""Law Q10: slots that only the swap cache pins are as good as free: a swapoff of a machine at rest frees them all."""

from __future__ import annotations

from collections.abc import Callable

from shm.snapshot import Snapshot
from workers.executors.script import Machine

Make = Callable[..., Machine]
DISK = {"kind": "disk", "read_ns": 1_000, "write_ns": 1_000}


def used_slots(machine: Machine) -> list[int]:
    """Slots of the device that are not free, its header left out."""
    with Snapshot(machine.buf) as snapshot:
        slots = {slot: snapshot.slot(0, slot) for slot in range(1, machine.plan.geometry.slots)}
    return [slot for slot, found in slots.items() if found.count or found.has_cache or found.kind == "pfn"]


def test_swapoff_takes_back_what_only_the_cache_pins(machine: Make) -> None:
    on = machine(device=DISK)
    on.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8)]})
    on.play_soundly({0: [("load", 0, 0, 8)], 1: [("load", 0, 0, 8)]})
    assert used_slots(on)
    with Snapshot(on.buf) as snapshot:
        assert all(snapshot.slot(0, slot).count == 0 for slot in used_slots(on))
    assert on.play_soundly({0: [("swapoff",)]}).results == {0: [0]}
    assert used_slots(on) == []
