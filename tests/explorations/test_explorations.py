"""Explorations in the store: queued, claimed once, ended once, buried, cancelled, found again."""

from __future__ import annotations

import pytest

from server.exploring.states import STATES
from server.filters import EXPLORATIONS, parse, parse_sort
from server.processes import ProcessId, myself
from server.store import ConflictError, IdempotencyError, NotFoundError, QueueFullError, Store
from tests.explorations.made import DIAGRAM, TOKEN, made_exploration, made_finding, made_spec
from tests.timelines.made import two_faults

DEAD = ProcessId(2**22 - 1, 1)


def test_what_was_found_is_kept_whole(store: Store) -> None:
    begun = store.begin_exploration(made_spec(), myself(), lease_seconds=5)
    assert (begun.state, begun.finished, begun.findings) == ("running", False, [])
    outcome = made_exploration(made_finding(), made_finding())
    assert store.finish_exploration(begun.id, outcome)
    kept = store.get_exploration(begun.id)
    assert (kept.state, kept.finished, kept.schedules, kept.exhausted) == ("found", True, 100_000, False)
    assert kept.strategies == outcome.strategies
    assert (kept.starvation, kept.laws_checked) == ({"cluster": 2}, ["Q11", "Q12"])
    assert [breach.known for breach in kept.known] == ["museum 27: as it is"]
    assert [each.number for each in kept.findings] == [1, 2]
    finding = store.finding_of(begun.id, 2)
    assert (finding.token, finding.diagram, finding.law, finding.has_timeline) == (TOKEN, DIAGRAM, "Q11", True)
    assert store.finding_timeline(begun.id, 1) == two_faults()
    with pytest.raises(NotFoundError, match="finding 3 of exploration 1"):
        store.finding_timeline(begun.id, 3)
    with pytest.raises(NotFoundError, match="no exploration 9"):
        store.finding_of(9, 1)


def test_a_queued_one_is_claimed_once_and_the_oldest_first(store: Store) -> None:
    first, second = (store.create_exploration(made_spec(seed=seed)) for seed in (1, 2))
    claims = [store.claim_exploration(myself(), lease_seconds=5) for _ in range(3)]
    assert [claim and claim.id for claim in claims] == [first.id, second.id, None]
    assert [store.state_of_exploration(each.id) for each in (first, second)] == ["running", "running"]


def test_the_queue_is_full_and_keys_are_honoured(store: Store) -> None:
    first = store.create_exploration(made_spec(), idempotency_key="k", max_queue=1)
    assert store.create_exploration(made_spec(), idempotency_key="k", max_queue=1).id == first.id
    with pytest.raises(IdempotencyError):
        store.create_exploration(made_spec(seed=2), idempotency_key="k")
    with pytest.raises(QueueFullError):
        store.create_exploration(made_spec(), max_queue=1)


def test_whose_owner_is_gone_is_lost_and_ends_only_once(store: Store) -> None:
    ours = store.begin_exploration(made_spec(), myself(), lease_seconds=60)
    theirs = store.begin_exploration(made_spec(), DEAD, lease_seconds=60)
    silent = store.begin_exploration(made_spec(), myself(), lease_seconds=-1)
    waiting = store.create_exploration(made_spec())
    assert sorted(store.bury_explorations()) == [theirs.id, silent.id]
    assert store.bury_explorations() == []
    states = [store.state_of_exploration(each.id) for each in (ours, theirs, silent, waiting)]
    assert states == ["running", "lost", "lost", "queued"]
    assert f"process {DEAD.pid}" in (store.get_exploration(theirs.id).reason or "")
    assert store.renew_exploration(silent.id, schedules=1, seconds=1.0, lease_seconds=5) is None
    assert not store.end_exploration(silent.id, "failed", "too late")
    assert store.finish_exploration(silent.id, made_exploration(made_finding())), "its owner lived on after all"
    assert not store.finish_exploration(silent.id, made_exploration())
    assert store.get_exploration(silent.id).state == "found"


def test_cancelling(store: Store) -> None:
    live = store.begin_exploration(made_spec(), myself(), lease_seconds=5)
    queued = store.create_exploration(made_spec())
    assert store.cancel_exploration(queued.id).state == "cancelled"
    assert store.cancel_exploration(live.id).state == "cancelling"
    assert store.renew_exploration(live.id, schedules=7, seconds=0.5, lease_seconds=5) == "cancelling"
    assert store.get_exploration(live.id).schedules == 7
    store.finish_exploration(live.id, made_exploration(status="cancelled"))
    assert store.cancel_exploration(live.id).state == "cancelled"
    clean = store.begin_exploration(made_spec(), myself(), lease_seconds=5)
    store.finish_exploration(clean.id, made_exploration())
    with pytest.raises(ConflictError, match="it is clean"):
        store.cancel_exploration(clean.id)
    with pytest.raises(NotFoundError):
        store.cancel_exploration(99)


def test_lists_are_filtered_and_sorted_and_paged(store: Store) -> None:
    for seed in range(6):
        begun = store.begin_exploration(made_spec(seed=seed), myself(), lease_seconds=5)
        store.finish_exploration(begun.id, made_exploration(*([made_finding()] if seed % 2 else [])))

    def ids(text: str, sort: str = "-id") -> list[int]:
        where, order = parse(text, EXPLORATIONS), parse_sort(sort, EXPLORATIONS)
        return [each.id for each in store.list_explorations(where=where, order=order)[0]]

    assert ids("state:found") == [6, 4, 2]
    assert ids("law:Q11 seed>=3", "seed") == [4, 6]
    assert ids("findings=0 protocol:swap*") == [5, 3, 1]
    assert ids("-law:Q11 strategy:portfolio", "id") == [1, 3, 5]
    page, after = store.list_explorations(limit=4)
    rest, end = store.list_explorations(limit=4, after=after)
    assert [each.id for each in (*page, *rest)] == [6, 5, 4, 3, 2, 1]
    assert end is None
    assert page[0].findings[0].token == TOKEN


def test_every_state_fits_its_column(store: Store) -> None:
    assert max(map(len, STATES)) <= 16
    for state in STATES:
        begun = store.begin_exploration(made_spec(), myself(), lease_seconds=5)
        store.end_exploration(begun.id, state, "a reason")
        assert store.get_exploration(begun.id).state == state
