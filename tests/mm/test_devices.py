"""A disk completes later and reads ahead, large pages stay whole, plain semaphores lock, clusters fill and empty."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine, small_spec
from workers.workloads.script import Scripts

ENOMEM = -12  # all pages of the memcg may be in the hands of others' reclaim, or swap be off
DISK = {"kind": "disk", "read_ns": 20_000, "write_ns": 20_000}
Make = Callable[..., Machine]


def on_disk(machine: Make, **other: object) -> Machine:
    """Mm 0 with 16 pages, all of them on the disk and none in memory."""
    m = machine(device=DISK, pages=16, slots=64, **other)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 16), ("pageout", 0, 0, 16)]})
    m.play_soundly({0: [("reclaim", 32), ("reclaim", 32)]})
    with Snapshot(m.buf) as s:
        assert all(pte.entry for pte in s.mm(0).ptes)
        assert len(s.free_folios()) == m.plan.geometry.folios - 1
    return m


def test_a_disk_writes_back_and_reads_in(machine: Make) -> None:
    m = on_disk(machine, readahead_pages=1)
    played = m.play_soundly({1: [("load", 0, 0, 16)]})
    assert played.results == {1: [0]}
    assert played.events["pswpin"] == 16
    assert played.events["swap_ra"] == 0


def test_readahead_reads_the_neighbours(machine: Make) -> None:
    m = on_disk(machine, readahead_pages=8)
    played = m.play_soundly({1: [("load", 0, 0, 16)]})
    assert played.events["swap_ra"] > 0
    assert played.events["swap_ra_hit"] > 0
    assert played.events["pswpin"] == 16  # each slot once
    assert played.events["pgmajfault"] < 16


def test_readahead_leaves_slots_that_nobody_has(machine: Make) -> None:
    m = on_disk(machine, readahead_pages=32)
    played = m.play_soundly({1: [("dontneed", 0, 1, 15), ("load", 0, 0), ("load", 0, 15)]})
    assert played.results == {1: [0, 0, 0]}
    assert played.events["pswpin"] == 2


def test_all_read_the_disk_at_once(machine: Make, schedules: int) -> None:
    m = on_disk(machine, readahead_pages=4)
    m.play_soundly({0: [("fork", 0, 1)]})
    race: Scripts = {
        0: [("load", 0, 0, 6)],
        1: [("store", 1, 0, 6)],
        2: [("load", 0, 2, 5), ("pageout", 0, 0, 6), ("reclaim", 8)],
    }
    played = m.play_soundly(race, schedules)
    assert (played.results[0], played.results[1]) == ([0], [0])


def test_a_queue_of_depth_one(machine: Make, schedules: int) -> None:
    m = machine(device={**DISK, "queue_depth": 1}, memcg={"limit_pages": 10})
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {cpu: [("store", cpu, 0, 8), ("load", cpu, 0, 8)] for cpu in range(3)}
    played = m.play_soundly(race, schedules // 10 + 1)
    assert {result for results in played.results.values() for result in results} <= {0, ENOMEM}


def test_payloads_of_a_whole_page_stay_whole(machine: Make, schedules: int) -> None:
    m = machine(payload_bytes=4096, memcg={"limit_pages": 10})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("fork", 0, 1)]})
    race: Scripts = {cpu: [("store", cpu % 2, 0, 8), ("pageout", 0, 0, 8), ("load", 1, 0, 8)] for cpu in range(3)}
    played = m.play_soundly(race, schedules // 10 + 1)
    assert {results[at] for results in played.results.values() for at in (0, 2)} <= {0, ENOMEM}
    assert m.play_soundly({0: [("load", 0, 0, 8), ("load", 1, 0, 8)]}).results == {0: [0, 0]}


@pytest.mark.parametrize("device", ["zram", "disk"])
def test_plain_semaphores_lock_as_well(protocol: str, device: str) -> None:
    """Real processes only: in a cooperative run no lock is slept on."""
    m = Machine(
        small_spec(
            protocol, "processes", lock="sem", device={"kind": device}, readahead_pages=2, memcg={"limit_pages": 16}
        )
    )
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race: Scripts = {cpu: [("store", cpu, 0, 8), ("load", cpu, 0, 8), ("pageout", cpu, 0, 8)] for cpu in range(3)}
    played = m.play_soundly({**race, 1: [*race[1], ("swapoff",), ("swapon",)]}, 5)
    assert {result for results in played.results.values() for result in results[:2]} <= {0, ENOMEM}
    assert m.play_soundly({0: [("load", mm, 0, 8) for mm in range(3)]}).results == {0: [0, 0, 0]}


@pytest.mark.parametrize("cluster_slots", [8, 16])
def test_clusters_fill_and_empty(machine: Make, cluster_slots: int) -> None:
    m = machine(cluster_slots=cluster_slots, slots=32)
    steps = [("mm_init", mm) for mm in range(3)] + [("store", mm, 0, 8) for mm in range(3)]
    m.play_soundly({0: steps + [("pageout", mm, 0, 8) for mm in range(3)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 24
        assert sum(cluster.count for cluster in s.clusters(0)) == 25  # and the header slot
        assert s.device(0).lists["full"]
    m.play_soundly({cpu: [("exit", cpu)] for cpu in range(3)})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 0
        assert len(s.device(0).lists["free"]) == 32 // cluster_slots - 1
