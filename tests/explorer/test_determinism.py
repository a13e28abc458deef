"""A schedule is a function of its seed and number, byte for byte, and a recording brings it back."""

from __future__ import annotations

import pytest

from workers.executors import litmus

FAILING = ["LostUpdate", "AbBa", "LostWakeup", "Spin"]


@pytest.mark.parametrize("program", sorted(litmus.PROGRAMS))
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_each_seed_twice(program: str, seed: int) -> None:
    once = litmus.play(program, seed=seed, schedules=200)
    twice = litmus.play(program, seed=seed, schedules=200)
    assert once["trace"] == twice["trace"]
    assert once == twice


def test_seeds_differ() -> None:
    hashes = {litmus.play("Work", seed=seed, schedules=20)["hash"] for seed in range(20)}
    assert len(hashes) == 20


def test_a_schedule_does_not_depend_on_those_before_it() -> None:
    after_others = litmus.play("Ticks", schedules=41)
    alone = litmus.play("Ticks", first=40, schedules=1)
    assert alone["trace"] == after_others["trace"]
    assert alone["recording"] == after_others["recording"]


@pytest.mark.parametrize("program", FAILING)
def test_a_failure_replays(program: str) -> None:
    found = litmus.play(program, schedules=1_000)
    assert not found["legal"]
    again = litmus.play(program, seed=99, replay=found["recording"])
    assert again["verdict"] == found["verdict"]
    assert not again["legal"]
    assert again["trace"] == found["trace"]
    assert again["waiting"] == found["waiting"]
    assert again["recording"] == found["recording"]


def test_the_cpus_random_numbers_are_in_the_recording() -> None:
    """Ticks draws its busy time from the CPU's own random numbers."""
    found = litmus.play("Ticks", seed=5, first=7, schedules=1)
    again = litmus.play("Ticks", seed=6, replay=found["recording"])
    assert again["trace"] == found["trace"]


def test_divergence_is_told() -> None:
    recording = litmus.play("LostUpdate", cpus=2, first=0, schedules=1)["recording"]
    other = recording[: 8 * 2] + "05" + recording[9 * 2 :]
    played = litmus.play("LostUpdate", cpus=2, replay=other)
    assert played["verdict"] == "diverged at step 0: recorded cpu 5, it is not enabled"
    assert not played["legal"]


def test_a_recording_of_another_program_diverges() -> None:
    recording = litmus.play("LostUpdate", cpus=2, schedules=1)["recording"]
    played = litmus.play("Work", cpus=2, replay=recording)
    assert played["verdict"].startswith("diverged at step ")
    assert "the recording ends after" in played["verdict"]


def test_a_recording_that_is_too_long_diverges() -> None:
    recording = litmus.play("Mutex", cpus=2, schedules=1)["recording"]
    played = litmus.play("Mutex", cpus=2, replay=recording + "00")
    assert played["verdict"].endswith("1 choices of the recording are left over")
    assert not played["legal"]


@pytest.mark.parametrize(
    ("schedule", "error"),
    [
        ("xyz", "schedule is no recording: .*hex, one byte per choice"),
        ("0011", "schedule has 2 bytes; a recording begins with 8 bytes of chance"),
    ],
)
def test_bad_recordings(schedule: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        litmus.play("Work", replay=schedule)
