"""The scheduler sees what there is to see: a litmus program that can go wrong does, and one that cannot never does."""

from __future__ import annotations

import pytest

from workers.executors import litmus

SCHEDULES = 3_000


@pytest.mark.parametrize("program", ["Mutex", "ParkWake", "Ticks", "Work"])
@pytest.mark.parametrize("cpus", [2, 3, 5])
def test_what_is_right_stays_clean(program: str, cpus: int) -> None:
    played = litmus.play(program, cpus=cpus, schedules=SCHEDULES)
    assert played["legal"], (played["verdict"], played["waiting"], played["lines"])
    assert played["verdict"] == "completed"
    assert played["played"] == SCHEDULES


def test_a_lost_update_is_found() -> None:
    played = litmus.play("LostUpdate", cpus=2, schedules=100)
    assert played["verdict"] == "completed"
    assert not played["legal"]


def test_a_deadlock_is_found_and_says_who_waits_for_what() -> None:
    played = litmus.play("AbBa", cpus=2, schedules=100)
    assert played["verdict"] == "deadlock"
    cpu0, cpu1 = played["waiting"].split("; ")
    assert cpu0.startswith("cpu 0 waits for lock swapon_mutex at +0x")
    assert cpu0.endswith("held by cpu 1")
    assert cpu1.startswith("cpu 1 waits for lock mmlist at +0x")
    assert cpu1.endswith("held by cpu 0")


def test_a_lost_wakeup_is_a_deadlock() -> None:
    played = litmus.play("LostWakeup", cpus=2, schedules=1_000)
    assert played["verdict"] == "deadlock"
    assert played["waiting"] == "cpu 1 is parked for the device, and nobody wakes it"


def test_a_loop_without_end_is_no_progress() -> None:
    played = litmus.play("Spin", cpus=2, schedules=1)
    assert played["verdict"] == "no progress"
    assert played["last_steps"] == litmus.STEP_LIMIT
    assert played["waiting"] == "cpu 0 is at step atomic"


def test_a_loop_that_goes_on_in_zswap_alone_is_no_cycle() -> None:
    played = litmus.play("Keeps", cpus=2, schedules=10, liveness=True)
    assert (played["verdict"], played["played"]) == ("completed", 10)


def test_many_cpus() -> None:
    """More CPUs than bits in a word: the scheduler takes a list."""
    played = litmus.play("Mutex", cpus=80, schedules=20)
    assert played["legal"]


def test_every_cpu_is_chosen_first_somewhere() -> None:
    firsts = {
        int(line.split()[2].removeprefix("cpu"))
        for number in range(50)
        for line in litmus.play("Work", first=number, schedules=1)["lines"][:1]
    }
    assert firsts == {0, 1, 2}


def test_a_contended_lock_is_not_polled() -> None:
    """A CPU that waits for a lock takes no step: its acquire appears once, when it succeeds."""
    lines = litmus.play("Work", schedules=1)["lines"]
    acquires = [line for line in lines if " acquire " in line]
    releases = [line for line in lines if " release " in line]
    assert len(acquires) == len(releases) == 3 * 8
    holder = None
    for line in lines:
        cpu = line.split()[2]
        if " acquire " in line:
            assert holder is None
            holder = cpu
        elif " release " in line:
            assert holder == cpu
            holder = None
