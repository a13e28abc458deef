"""Every protocol plays every race on both executors, and breaks what it is there to break, and nothing else."""

from __future__ import annotations

import pytest

from tests.contract.expected import MAY_GET_STUCK, SOUND, UNSOUND, is_expected
from workers.catalogue import PROTOCOLS
from workers.executors import script
from workers.executors.script import Machine
from workers.explorer.arena import Arena, spec_of
from workers.races import RACES
from workers.schedulers.pct import PCT
from workers.schedulers.random_walk import RandomWalk

PLAYS = 2  # of processes: each forks its CPUs
SCHEDULES = 40
FRUITLESS = 200  # seeds after which an unsound protocol counts as sound
SHOWS = {"unsynchronized": "fault_fault", "skip_cache": "fault_swap_out_again", "swap_cache_as_posted": "memcg_exit"}

races = pytest.mark.parametrize("race", RACES)


@races
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_real_cpus(protocol: str, race: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "PATIENCE_NS", 20_000_000_000)
    played = RACES[race]
    spec = spec_of(protocol, played).model_copy(update={"executor": "processes", "laws": "at_rest"})
    machine = Machine(spec)
    if played.before:
        machine.play_soundly({0: played.before})
    for one in machine.play(dict(enumerate(played.race)), PLAYS):
        assert one.verdict == "completed" or protocol in MAY_GET_STUCK, one.told()
        assert is_expected(protocol, one.violations), one.told()


@races
@pytest.mark.parametrize("protocol", UNSOUND)
def test_interleavings_of_the_unsound(protocol: str, race: str) -> None:
    """Those of the sound ones break nothing: tests/races plays more of them, by three strategies."""
    arena = Arena(protocol, RACES[race])
    for oracle in (RandomWalk(2), PCT(2, 3)):
        arena.use(oracle)
        for number in range(SCHEDULES):
            _, legal = arena.play(number, 1)
            if not legal:
                assert is_expected(protocol, arena.told()) or protocol in MAY_GET_STUCK, arena.told()


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
