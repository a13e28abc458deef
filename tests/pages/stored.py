"""What the pages are shown in tests: studies, failures and broken rows, made through the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from server.figures import compare_study
from server.processes import myself
from server.schemas import Arm
from server.store import Store
from tests.database.outcomes import broken_law, made_outcome
from tests.explorations.made import CLEAN, made_exploration, made_finding, made_spec
from tests.timelines.made import two_faults
from workers.outcome import Outcome
from workers.spec import RunSpec

BLOCKS = 8
SAMPLES = 12


def finish_next(store: Store, outcome: Outcome, *, samples: int = 0) -> int:
    """Take the oldest queued run, give it `samples` and an end, and tell its id."""
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    for number in range(1, samples + 1):
        store.add_sample(claim.token, number * 1_000_000_000, sample(number))
    store.finish(claim.token, outcome)
    return claim.run_id


def sample(number: int) -> dict[str, float | int | None]:
    """A sample as a run of two CPUs gives it, a second after the one before."""
    return {
        "elapsed_ns": number * 1_000_000_000,
        "operations": number * 100_000,
        "swap_ins": number * 60_000,
        "tick_sleeps": number * 3,
        "operations_cpu0": number * 60_000,
        "operations_cpu1": number * 40_000,
        "p50_ns": 5_000.0 + 10 * number,
        "p99_ns": 200_000.0 - 1_000 * number,
        "wait_tick_sleep_ns": number * 300_000_000,
        "wait_device_ns": number * 200_000_000,
    }


def fill(store: Store) -> dict[str, int]:
    """Store a study with its comparison, and a run of each kind; the ids by what they are."""
    arms = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]
    study = store.create_study(arms, BLOCKS, name="old against new")
    for run in store.study_runs(study.id):
        finish_next(store, made_outcome(scale=(1.5 if run.arm == "old" else 1.0) + (run.block or 0) / 100))
    comparison = compare_study(store, study.id, "old", "new")
    store.create_run(RunSpec(protocol="has_cache", seconds=SAMPLES))
    sampled = finish_next(store, made_outcome(), samples=SAMPLES)
    store.create_run(RunSpec(protocol="unsynchronized", executor="cooperative"))
    violation = broken_law().model_copy(update={"schedule": "0001"})
    invalid = finish_next(store, made_outcome(status="failed", violations=[violation]))
    store.create_run(RunSpec(protocol="swap_cache", timeline=True))
    traced = finish_next(store, made_outcome().model_copy(update={"timeline": two_faults()}))
    exploration = store.begin_exploration(made_spec(), myself(), lease_seconds=15)
    store.finish_exploration(exploration.id, made_exploration(made_finding()))
    covered = store.begin_exploration(made_spec(CLEAN), myself(), lease_seconds=15)
    store.finish_exploration(covered.id, made_exploration())
    explored = {"exploration": exploration.id, "covered": covered.id}
    return explored | {
        "study": study.id,
        "comparison": comparison.id,
        "sampled": sampled,
        "invalid": invalid,
        "traced": traced,
    }


@contextmanager
def broken_row(store: Store, run_id: int) -> Iterator[None]:
    """The spec and the figures of a run cannot be read meanwhile, as a disk or a hand may have it."""
    of_run = {"id": run_id}
    attempt = "(SELECT attempt FROM runs WHERE id = :id)"
    with store.db.write() as connection:
        spec = connection.execute(text("SELECT spec FROM runs WHERE id = :id"), of_run).scalar_one()
        metrics = connection.execute(text(f"SELECT metrics FROM attempts WHERE token = {attempt}"), of_run).scalar_one()
    for values in ({"spec": "{not json", "metrics": "[1"}, {"spec": spec, "metrics": metrics}):
        with store.db.write() as connection:
            connection.execute(text("UPDATE runs SET spec = :spec WHERE id = :id"), {**of_run, "spec": values["spec"]})
            update = text(f"UPDATE attempts SET metrics = :metrics WHERE token = {attempt}")
            connection.execute(update, {**of_run, "metrics": values["metrics"]})
        if values["spec"] != spec:
            yield
