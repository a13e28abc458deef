"""The museum: every variant is found broken by a law of its exhibit, and its counterpart is not, on the same race."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from workers.catalogue import PROTOCOLS
from workers.executors.script import Unsound
from workers.exhibits import EXHIBITS, Exhibit
from workers.explorer.arena import Arena
from workers.invariants.registry import LAWS
from workers.protocols.registry import nearest, protocol
from workers.races import RACES
from workers.schedulers.pct import PCT
from workers.schedulers.pos import POS
from workers.schedulers.preemption_bound import PreemptionBound
from workers.schedulers.schedule import Schedule

MOST_LINES = 60
FOUND_WITHIN_S = 20.0
CLEAN_SCHEDULES = 3_000
BATCH = 500

exhibits = pytest.mark.parametrize("exhibit", EXHIBITS.values(), ids=lambda exhibit: str(exhibit.number))
MUSEUM = sorted({exhibit.variant for exhibit in EXHIBITS.values()} - set(PROTOCOLS))


def fair_oracles() -> list[Schedule]:
    """They let everybody go on sooner or later: a loop that waits for somebody ends."""
    return [PCT(1, 2), PCT(1, 3), POS(1)]


def oracles() -> list[Schedule]:
    return [*fair_oracles(), PreemptionBound(2)]


def played(arena: Arena, oracle: Schedule, schedules: int, until: float) -> list[dict[str, str]]:
    """What was found in the first schedule that is not legal."""
    arena.use(oracle)
    first = 0
    while first < schedules and not arena.exhausted and time.monotonic() < until:
        number, legal = arena.play(first, min(BATCH, schedules - first))
        if not legal:
            return arena.told()
        first += number
    return []


def broken_laws(exhibit: Exhibit, oracle: Schedule) -> set[str]:
    """The laws that the variant breaks under an oracle; a state that its first steps leave may break them as well."""
    try:
        arena = Arena(exhibit.variant, RACES[exhibit.race], liveness=exhibit.liveness)
    except Unsound as unsound:
        return {violation["law"] for violation in unsound.played.violations}
    return {finding["law"] for finding in played(arena, oracle, 1_000_000, time.monotonic() + FOUND_WITHIN_S)}


@exhibits
def test_two_ways_find_it_by_a_law_of_its_own(exhibit: Exhibit) -> None:
    ways = 0
    for oracle in oracles():
        broken = broken_laws(exhibit, oracle)
        assert not broken or broken & set(exhibit.laws), f"{type(oracle).__name__}: {broken}"
        ways += bool(broken)
        if ways == 2:
            return
    pytest.fail(f"{ways} ways find {exhibit.variant} in {exhibit.race}")


@exhibits
def test_the_fixed_one_is_clean(exhibit: Exhibit) -> None:
    arena = Arena(exhibit.fixed, RACES[exhibit.race], liveness=exhibit.liveness)
    for oracle in fair_oracles():
        assert played(arena, oracle, CLEAN_SCHEDULES, time.monotonic() + 600) == []


@exhibits
def test_its_laws_are_asked_of_both(exhibit: Exhibit) -> None:
    laws = set(exhibit.laws) - ({"L1"} if exhibit.liveness else set())  # L1 is the exploration's own
    assert laws <= set(LAWS)
    for name in (nearest(exhibit.variant), exhibit.fixed):
        assert laws <= set(Arena(name, RACES[exhibit.race]).laws_checked())


@exhibits
def test_an_exhibit_is_whole(exhibit: Exhibit) -> None:
    assert EXHIBITS[exhibit.number] is exhibit
    assert exhibit.race in RACES
    assert exhibit.history.endswith(".")
    assert exhibit.source
    assert 2009 <= exhibit.year <= 2026
    assert PROTOCOLS[exhibit.fixed].sound or exhibit.fixed == "skip_cache"
    assert protocol(exhibit.variant).name == exhibit.variant


def test_no_two_exhibits_have_a_title_or_a_variant_alike() -> None:
    assert list(EXHIBITS) == sorted(EXHIBITS)
    assert len({exhibit.title for exhibit in EXHIBITS.values()}) == len(EXHIBITS)
    assert len({exhibit.variant for exhibit in EXHIBITS.values()}) == len(EXHIBITS)


def test_every_file_of_the_museum_is_an_exhibit_of_a_few_lines(checkout: Path) -> None:
    files = {path.stem: path.read_text() for path in (checkout / "workers/protocols/museum").glob("*.pyx")}
    assert sorted(files) == MUSEUM
    assert {name: n for name, n in ((name, text.count("\n")) for name, text in files.items()) if n > MOST_LINES} == {}
    for exhibit in EXHIBITS.values():
        if exhibit.variant in files:
            assert re.match(rf'"""{exhibit.variant}: .*\(museum {exhibit.number}\)\.\n', files[exhibit.variant])


@pytest.mark.parametrize("name", MUSEUM)
def test_a_variant_answers_for_the_laws_of_what_it_derives_from(name: str) -> None:
    assert nearest(name) in PROTOCOLS
    assert nearest(nearest(name)) == nearest(name)


def test_no_table_of_protocols_lists_the_museum() -> None:
    with pytest.raises(ValueError, match=r"is not known; there are: .*, and those of the museum"):
        protocol("nothing_of_the_kind")
    assert not set(MUSEUM) & set(PROTOCOLS)
