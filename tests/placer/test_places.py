"""Places: who may run where, at the level of the store. No engine, no process: rows alone, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Settings
from server.placer import PlacerError, placer_named
from server.places import Place, here, read_cpus, write_cpus
from server.processes import myself
from server.schemas import Arm
from server.store import Claim, Refusal, Store, open_store
from workers.spec import RunSpec

SPEC = RunSpec(protocol="swap_cache")
LEFT, RIGHT = Place("lab1", frozenset({0, 1})), Place("lab1", frozenset({2, 3}))
OTHER = Place("lab2")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store of each kind."""
    store = open_store(settings.database_url)
    yield store
    store.close()


def claim(store: Store, place: Place | None, *others: Place) -> Claim | None:
    return store.claim(myself(), lease_seconds=15, place=place, placer="dask", others=others)


@given(st.frozensets(st.integers(0, 300), min_size=1))
def test_a_set_of_cpus_is_read_as_it_is_written(cpus: frozenset[int]) -> None:
    assert read_cpus(write_cpus(cpus)) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "0-99999999", "1 2"])
def test_what_is_no_set_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CPUs"):
        read_cpus(text)


def test_places_overlap_by_their_cpus() -> None:
    assert not LEFT.overlaps(RIGHT)
    assert LEFT.overlaps(Place("lab1"))
    assert LEFT.overlaps(Place("lab1", frozenset({1, 2})))
    assert not Place("lab1").overlaps(OTHER)
    assert [str(place) for place in (LEFT, OTHER)] == ["lab1:0-1", "lab2"]


def test_one_run_a_place_and_places_side_by_side(store: Store) -> None:
    for _ in range(6):
        store.create_run(SPEC)
    assert claim(store, LEFT) is not None
    assert claim(store, LEFT) is None
    assert claim(store, Place("lab1")) is None
    right = claim(store, RIGHT)
    assert right is not None
    assert claim(store, OTHER) is not None
    assert store.give_up(right.token, "failed", "code", "Sentence.")
    assert claim(store, Place("lab1", frozenset({3}))) is not None


def test_an_expired_lease_frees_no_cpus(store: Store) -> None:
    store.create_run(SPEC)
    store.create_run(SPEC)
    assert store.claim(myself(), lease_seconds=-1, place=LEFT) is not None
    assert claim(store, LEFT) is None


def test_what_is_compared_shares_its_place(store: Store) -> None:
    arms = [Arm(name=name, spec=RunSpec(protocol=name)) for name in ("has_cache", "swap_cache")]
    study = store.create_study(arms, 3)
    first = claim(store, LEFT, RIGHT)
    second = claim(store, RIGHT, LEFT)
    assert first is not None
    assert second is not None
    runs = {run.id: run for run in store.study_runs(study.id)}
    assert (runs[first.run_id].block, runs[second.run_id].block) == (0, 1)
    for taken, place, other in ((first, LEFT, RIGHT), (second, RIGHT, LEFT)):
        assert store.give_up(taken.token, "failed", "code", "Sentence.")
        partner = claim(store, place, other)
        assert partner is not None
        assert runs[partner.run_id].block == runs[taken.run_id].block
        assert runs[partner.run_id].arm != runs[taken.run_id].arm


def test_a_place_that_is_gone_holds_nobody_up(store: Store) -> None:
    arms = [Arm(name=name, spec=RunSpec(protocol=name)) for name in ("has_cache", "swap_cache")]
    store.create_study(arms, 1)
    first = claim(store, LEFT)
    assert first is not None
    assert claim(store, RIGHT, LEFT) is None
    assert claim(store, RIGHT) is not None


def test_where_the_engine_chooses_the_second_of_a_block_is_asked_to_the_host_of_the_first(store: Store) -> None:
    arms = [Arm(name=name, spec=RunSpec(protocol=name)) for name in ("has_cache", "swap_cache")]
    store.create_study(arms, 2)
    first, second = claim(store, None), claim(store, None)
    assert first is not None
    assert second is not None
    assert store.get_run(second.run_id).block == 1
    assert isinstance(store.begin(first.token, myself(), OTHER, lease_seconds=15), Claim)
    third = claim(store, None)
    assert third is not None
    assert (store.get_run(third.run_id).block, third.near) == (0, "lab2")
    assert store.begin(third.token, myself(), OTHER, lease_seconds=15) is Refusal.BUSY


def test_of_many_deliveries_one_is_taken_up(store: Store) -> None:
    store.create_run(SPEC)
    taken = claim(store, LEFT)
    assert taken is not None

    def begin(_thread: int) -> Claim | Refusal:
        return store.begin(taken.token, myself(), LEFT, lease_seconds=15)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(begin, range(8)))
    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert answers.count(Refusal.OVER) == 7


def test_a_delivery_of_what_is_over_or_cancelled_is_not_taken_up(store: Store) -> None:
    store.create_run(SPEC)
    store.create_run(SPEC)
    over, cancelled = claim(store, LEFT), claim(store, RIGHT)
    assert over is not None
    assert cancelled is not None
    store.give_up(over.token, "lost", "code", "Sentence.")
    store.cancel_run(cancelled.run_id)
    for taken in (over, cancelled):
        assert store.begin(taken.token, myself(), here(), lease_seconds=15) is Refusal.OVER
    assert store.begin("no such token", myself(), here(), lease_seconds=15) is Refusal.OVER
    assert store.hold(cancelled.token, lease_seconds=15) == "cancelling"
    assert store.hold(over.token, lease_seconds=15) is None


@pytest.mark.parametrize("text", ["", "ray=here", "dask", "dask=", "slurm=0", "slurm=many", "local=1"])
def test_a_placer_that_is_none_is_told(text: str) -> None:
    with pytest.raises(PlacerError, match=r"there is no placer.*give local, dask=ADDRESS"):
        placer_named(text, Settings(database="none.db"), lambda: None)
