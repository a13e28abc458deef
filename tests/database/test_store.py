"""What goes into the store comes out of it, and what it refuses it refuses by name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from server.processes import myself
from server.schemas import Arm, Run, RunFilter
from server.store import (
    Claim,
    ConflictError,
    IdempotencyError,
    NotFoundError,
    QueueFullError,
    Store,
    order_of_block,
)
from tests.database.outcomes import broken_law, made_outcome
from workers.spec import RunSpec, config_hash

SPEC = RunSpec(protocol="swap_cache", seed=3)
ARMS = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]


def claimed(store: Store) -> Claim:
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    return claim


def finished(store: Store, **kind: object) -> Run:
    claim = claimed(store)
    store.mark_running(claim.token)
    assert store.finish(claim.token, made_outcome(**kind))  # type: ignore[arg-type]
    return store.get_run(claim.run_id)


def test_a_run_keeps_its_spec_and_starts_in_the_queue(store: Store) -> None:
    run = store.create_run(SPEC)
    assert (run.state, run.spec, run.seed, run.attempts) == ("queued", SPEC, 3, 0)
    assert run.config_hash == config_hash(SPEC) == config_hash(SPEC.model_copy(update={"seed": 4}))
    assert store.get_run(run.id) == run


def test_an_outcome_comes_back_whole(store: Store) -> None:
    store.create_run(SPEC)
    run = finished(store)
    outcome = made_outcome()
    assert run.state == "succeeded"
    assert (run.metrics, run.waits, run.events) == (outcome.metrics, outcome.waits, outcome.events)
    assert type(run.metrics["tick_sleeps"]) is int  # type: ignore[index]
    assert store.histograms_of(run.id) == outcome.histograms
    assert store.histogram_of(run.id, "swap_in") == outcome.histograms["swap_in"]
    (attempt,) = store.attempts_of(run.id)
    assert (attempt.environment, attempt.seed, attempt.config) == (outcome.environment, 3, SPEC.model_dump(mode="json"))
    (result,) = store.results_of([run.id])
    assert (result.run, result.histograms, result.violations) == (run, outcome.histograms, [])


def test_a_violated_law_fails_the_run(store: Store) -> None:
    store.create_run(SPEC)
    run = finished(store, violations=[broken_law()])
    assert run.state == "failed"
    assert run.state_reason is not None
    assert (run.state_reason.code, run.state_reason.sentence) == ("law_violated", "Violated: P1.")
    assert store.violations_of(run.id) == [broken_law()]


def test_a_lost_run_keeps_its_samples(store: Store) -> None:
    run_id = store.create_run(SPEC).id
    claim = claimed(store)
    store.mark_running(claim.token)
    for at_ns in (1, 2, 2, 3):
        store.add_sample(claim.token, at_ns, {"operations": at_ns * 10})
    assert store.give_up(claim.token, "lost", "supervisor_died", "Gone.")
    assert store.get_run(run_id).state == "lost"
    page, after_ns = store.samples_of(run_id, limit=2)
    rest, end = store.samples_of(run_id, limit=2, after_ns=after_ns)
    assert [sample.figures["operations"] for sample in page + rest] == [10, 20, 30]
    assert end is None


def test_a_late_outcome_is_evidence_and_no_truth(store: Store) -> None:
    run_id = store.create_run(SPEC).id
    claim = claimed(store)
    store.give_up(claim.token, "lost", "lease_expired", "Silent.")
    before = store.get_run(run_id)
    assert not store.finish(claim.token, made_outcome())
    assert store.get_run(run_id) == before
    assert store.histograms_of(run_id) == {}
    (attempt,) = store.attempts_of(run_id)
    assert attempt.status == "lost"
    assert attempt.evidence is not None
    assert attempt.evidence["late_outcome"]["status"] == "succeeded"


def test_cancel_ends_a_queued_run_and_asks_a_live_one(store: Store) -> None:
    first, second = store.create_run(SPEC), store.create_run(SPEC)
    assert store.cancel_run(second.id).state == "cancelled"
    claim = claimed(store)
    assert store.cancel_run(first.id).state == "cancelling"
    assert store.heartbeat(claim.token, lease_seconds=15) == "cancelling"
    store.finish(claim.token, made_outcome(status="succeeded"))
    assert store.cancel_run(first.id).state == "cancelled"
    store.create_run(SPEC)
    over = finished(store)
    with pytest.raises(ConflictError, match="over already"):
        store.cancel_run(over.id)
    with pytest.raises(NotFoundError, match="there is no run 99"):
        store.cancel_run(99)


def test_one_measurement_at_a_time(store: Store) -> None:
    for _ in range(2):
        store.create_run(SPEC)
    first = claimed(store)
    assert store.claim(myself(), lease_seconds=15) is None
    store.give_up(first.token, "failed", "x", "y")
    assert claimed(store).run_id == first.run_id + 1


def test_a_claim_keeps_to_its_scope(store: Store) -> None:
    other = store.create_run(SPEC)
    study = store.create_study(ARMS, 1)
    assert store.is_waiting(run_ids=[other.id])
    assert not store.is_waiting(run_ids=[])
    assert store.claim(myself(), lease_seconds=15, run_ids=[]) is None
    claim = store.claim(myself(), lease_seconds=15, study_id=study.id)
    assert claim is not None
    assert store.get_run(claim.run_id).study_id == study.id


def test_a_study_interleaves_its_arms_and_shares_seeds_in_a_block(store: Store) -> None:
    study = store.create_study(ARMS, 4, seed=10, name="demo")
    runs = store.study_runs(study.id)
    assert [run.arm for run in runs] == ["old", "new", "new", "old", "new", "old", "old", "new"]
    assert [run.seed for run in runs] == [10, 10, 11, 11, 12, 12, 13, 13]
    assert [run.block for run in runs] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    assert {run.config_hash for run in runs if run.arm == "old"} == {runs[0].config_hash}
    assert (study.runs, study.states, study.finished) == (8, {"queued": 8}, False)
    assert store.cancel_study(study.id) == 8
    assert store.get_study(study.id).finished
    with pytest.raises(NotFoundError, match="its arms are old, new"):
        store.study_runs(study.id, "newer")


@pytest.mark.parametrize("arms", [1, 2, 3, 4, 5])
def test_every_arm_is_early_as_often_as_late(arms: int) -> None:
    blocks = [order_of_block(arms, block) for block in range(2 * arms)]
    assert all(sorted(order) == list(range(arms)) for order in blocks)
    assert {sum(order.index(arm) for order in blocks) for arm in range(arms)} == {arms * (arms - 1)}


def test_arms_are_told_apart_and_bring_no_seed(store: Store) -> None:
    with pytest.raises(ValidationError, match="given more than once: old"):
        store.create_study([ARMS[0], ARMS[0]], 2)
    with pytest.raises(ValidationError, match="arm a sets a seed"):
        store.create_study([Arm(name="a", spec=SPEC)], 2)


def test_lists_are_narrowed_and_paged(store: Store) -> None:
    study = store.create_study(ARMS, 3)
    store.create_run(SPEC.model_copy(update={"scenario": "fork_fault"}))
    seen: list[int] = []
    after = None
    while True:
        page, after = store.list_runs(limit=3, after=after)
        seen += [run.id for run in page]
        if after is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert len(store.list_runs(RunFilter(study=study.id, protocol="has_cache"))[0]) == 3
    assert [run.id for run in store.list_runs(RunFilter(scenario="fork_fault"))[0]] == [7]
    assert store.list_runs(RunFilter(state="running"))[0] == []
    assert [each.id for each in store.list_studies()[0]] == [study.id]


def test_a_key_makes_one_thing_once(store: Store) -> None:
    first = store.create_run(SPEC, idempotency_key="k")
    assert store.create_run(SPEC, idempotency_key="k") == first
    with pytest.raises(IdempotencyError, match="choose a new key"):
        store.create_run(SPEC.model_copy(update={"cpus": 3}), idempotency_key="k")
    with pytest.raises(IdempotencyError):
        store.create_study(ARMS, 1, idempotency_key="k")
    study = store.create_study(ARMS, 1, idempotency_key="s")
    assert store.create_study(ARMS, 1, idempotency_key="s") == study


def test_the_queue_has_an_end(store: Store) -> None:
    store.create_run(SPEC, max_queue=1)
    with pytest.raises(QueueFullError, match="1 runs wait already"):
        store.create_run(SPEC, max_queue=1)
    with pytest.raises(QueueFullError):
        store.create_study(ARMS, 5, max_queue=10)
    assert store.count_unfinished() == {"queued": 1, "live": 0}
