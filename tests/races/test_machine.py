"""The machine that plays scripts: states go on or come back, plays replay, and a CPU that does not end is ended."""

from __future__ import annotations

import pytest

from shm.snapshot import Snapshot, field_offsets
from workers.executors import script
from workers.executors.script import Machine, Unsound, small_spec
from workers.workloads.script import Scripts


def test_schedules_begin_with_one_state_and_the_last_one_stays(executor: str) -> None:
    m = Machine(small_spec("swap_cache", executor))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    played = m.play({1: [("store", 0, 0, 4)]}, 3)
    assert [each.events["pswpin"] for each in played] == [4, 4, 4]
    with Snapshot(m.buf) as s:
        assert all(pte.pfn for pte in s.mm(0).ptes)
    assert m.play_soundly({2: [("load", 0, 0, 4)]}).events["pswpin"] == 0


def test_results_stand_by_cpu_and_step(executor: str) -> None:
    m = Machine(small_spec("swap_cache", executor))
    played = m.play_soundly({2: [("mm_init", 0), ("exit", 0), ("exit", 0)], 0: [("reclaim", 4)], 1: []})
    assert played.results == {0: [0], 1: [], 2: [0, 0, -11]}
    assert bool(played.recording) == (executor == "cooperative")


def test_a_cpu_that_does_not_end_is_told_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four reads that take a second each, and patience for one."""
    m = Machine(small_spec("swap_cache", "processes", device={"kind": "zram", "read_ns": 1_000_000_000, "write_ns": 0}))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    monkeypatch.setattr(script, "PATIENCE_NS", 1_000_000_000)
    with pytest.raises(Unsound, match="stuck: 1 of 2 CPUs did not come to their end") as unsound:
        m.play_soundly({0: [("load", 0, 0, 4)], 1: [("mm_init", 1)]})
    assert unsound.value.played.results == {0: [None], 1: [0]}


def test_a_broken_law_is_told_on_both(executor: str) -> None:
    """Bytes that no CPU has written: the segment is whole as long as nobody scribbles over it."""
    m = Machine(small_spec("swap_cache", executor))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    with Snapshot(m.buf) as s:
        at = s.arrays()["swap_map"].offset + 1
    m.buf[at] = 7
    with pytest.raises(Unsound) as unsound:
        m.play_soundly({1: [("mm_init", 1)]})
    assert "Q1" in {violation["law"] for violation in unsound.value.played.violations}


def test_what_was_warned_of_before_is_forgotten() -> None:
    m = Machine(small_spec("swap_cache", "cooperative"))
    with Snapshot(m.buf) as s:
        at = s.arrays()["percpu"].offset + field_offsets()["percpu_t"]["warned"][0]
    m.buf[at] = 1
    m.play_soundly({1: [("mm_init", 0)]})
    assert m.buf[at] == 0


def test_a_recording_replays_what_broke() -> None:
    def fresh() -> Machine:
        m = Machine(small_spec("unsynchronized", "cooperative", seed=5))
        m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
        return m

    race: Scripts = {cpu: [("load", 0, 0, 4), ("store", 0, 0, 4), ("pageout", 0, 0, 4)] for cpu in range(3)}
    broken = fresh().play(race, 500)[-1]
    assert broken.violations
    assert fresh().play(race, replay=broken.recording) == [broken]
    with pytest.raises(ValueError, match=r"diverged at step .*; the recording belongs to other scripts"):
        fresh().play({0: race[0], 1: []}, replay=broken.recording)
    with pytest.raises(ValueError, match="a replay and an oracle need executor=cooperative"):
        Machine(small_spec("swap_cache", "processes")).play({0: []}, replay=broken.recording)
