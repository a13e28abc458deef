"""Every protocol plays every race on both executors, and breaks what it is there to break, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.expected import MAY_END, MAY_GET_STUCK, UNSOUND, is_expected
from workers.catalogue import PROTOCOLS, SOUND
from workers.explorer.arena import Arena
from workers.races import RACES
from workers.schedulers.pct import PCT
from workers.schedulers.random_walk import RandomWalk

SCHEDULES = 40
FRUITLESS = 200  # seeds after which an unsound protocol counts as sound
SHOWS = {"unsynchronized": "fault_fault", "skip_cache": "fault_swap_out_again", "swap_cache_as_posted": "memcg_exit"}


def on_real_cpus(protocol: str, checkout: Path) -> list[dict[str, Any]]:
    """What tests/contract/play_races.py says of each race."""
    command = [sys.executable, "-m", "tests.contract.play_races", protocol]
    told = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=240, check=False)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_races_on_real_cpus(protocol: str, checkout: Path) -> None:
    told = on_real_cpus(protocol, checkout)
    assert [each["race"] for each in told] == list(RACES)
    wrong = [
        each
        for each in told
        if not is_expected(protocol, each["violations"])
        or not each["verdict"].startswith(("completed", *MAY_END.get(protocol, ())))
    ]
    assert wrong == []


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("protocol", UNSOUND)
def test_interleavings_of_the_unsound(protocol: str, race: str) -> None:
    """Those of the sound ones break nothing: tests/races plays more of them, by three strategies."""
    arena = Arena(protocol, RACES[race])
    for oracle in (RandomWalk(2), PCT(2, 3)):
        arena.use(oracle)
        for number in range(SCHEDULES):
            _, legal = arena.play(number, 1)
            if not legal:
                told = arena.told()
                assert told, arena.verdict()
                assert is_expected(protocol, [each for each in told if each["kind"] == "law"]), told
                assert protocol in MAY_GET_STUCK or all(each["kind"] == "law" for each in told), told


@pytest.mark.parametrize("protocol", UNSOUND)
def test_the_unsound_are_seen_to_break(protocol: str) -> None:
    arena = Arena(protocol, RACES[SHOWS[protocol]])
    for seed in range(FRUITLESS):
        arena.use(PCT(seed, 3))
        _, legal = arena.play(0, 1_000)
        if not legal:
            assert is_expected(protocol, arena.told())
            return
    pytest.fail(f"{protocol} breaks nothing in {SHOWS[protocol]}")


def test_each_protocol_is_one_or_the_other() -> None:
    assert {*SOUND, *UNSOUND} == set(PROTOCOLS)
    assert set(SHOWS) == set(UNSOUND)
