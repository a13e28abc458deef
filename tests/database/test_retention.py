"""Pruning by age and size: what is named stays, what goes goes with all that hangs on it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from server.config import Settings
from server.db import utc_now
from server.figures import compare_run_lists
from server.models import attempts, baseline_runs, baselines, explorations, histograms, metadata, runs
from server.processes import myself
from server.retention import Pruner
from server.schemas import Arm
from server.store import Kept, Store, open_store
from server.store.backup import write_backup
from tests.database.outcomes import broken_law, made_outcome
from tests.explorations.made import made_exploration, made_finding, made_spec
from workers.spec import RunSpec

RUNS = 8


@pytest.fixture
def aged(store: Store) -> Store:
    """A study of 8 runs, that ended 10, 20, .. 80 days ago the last first, and one run in the queue."""
    arms = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]
    store.create_study(arms, RUNS // 2)
    while claim := store.claim(myself(), lease_seconds=15):
        store.mark_running(claim.token)
        store.add_sample(claim.token, 1, {"operations": 1})
        store.finish(claim.token, made_outcome(violations=[broken_law()] if claim.run_id == 1 else []))
    with store.db.write() as connection:
        for run_id in range(1, RUNS + 1):
            ended = utc_now(plus_seconds=-86_400 * 10 * (RUNS + 1 - run_id))
            connection.execute(update(runs).where(runs.c.id == run_id).values(finished_at=ended))
    store.create_run(RunSpec(protocol="swap_cache"))
    return store


def left(store: Store) -> list[int]:
    return sorted(run.id for run in store.list_runs(limit=200)[0])


def rows_in(store: Store) -> dict[str, int]:
    with store.db.read() as connection:
        count = {name: select(func.count()).select_from(table) for name, table in metadata.tables.items()}
        return {name: connection.execute(query).scalar_one() for name, query in count.items()}


def test_old_runs_go_with_all_that_they_left(aged: Store) -> None:
    told = aged.prune(Kept(days=45), dry_run=True)
    assert (told.runs, left(aged)) == (4, list(range(1, RUNS + 2)))
    assert aged.prune(Kept(days=45)).runs == 4
    assert left(aged) == [5, 6, 7, 8, 9]
    rows = rows_in(aged)
    assert (rows["attempts"], rows["samples"], rows["violations"], rows["studies"]) == (4, 4, 0, 1)
    assert (rows["waits"], rows["histograms"]) == (8, 8)
    assert aged.prune(Kept(days=45)).runs == 0
    assert aged.prune(Kept(days=1)).runs == 4
    assert {name: rows_in(aged)[name] for name in ("runs", "studies", "attempts", "placements")} == {
        "runs": 1, "studies": 0, "attempts": 0, "placements": 0,
    }  # fmt: skip


def test_what_is_named_stays(aged: Store) -> None:
    compare_run_lists(aged, [2], [3])
    with aged.db.write() as connection:
        row = insert(baselines).values(name="gold", note="", created_at="").returning(baselines.c.id)
        baseline = connection.execute(row).scalar_one()
        connection.execute(insert(baseline_runs).values(baseline_id=baseline, run_id=4))
    pruned = aged.prune(Kept(days=1))
    assert (pruned.runs, pruned.protected) == (5, 3)
    assert left(aged) == [2, 3, 4, 9]
    assert len(aged.results_of([2, 3, 4])) == 3
    assert rows_in(aged)["baseline_runs"] == 1


def test_the_oldest_go_until_the_rest_fits(aged: Store) -> None:
    size = aged.stored_bytes()
    with aged.db.write() as connection:  # so much that the schema itself no longer counts
        tokens = connection.execute(select(attempts.c.token)).scalars().all()
        heavy = [[number, number + 1, 10**9 + number] for number in range(10_000)]
        connection.execute(update(histograms).where(histograms.c.attempt.in_(tokens)).values(buckets=heavy))
    grown = aged.stored_bytes()
    assert grown > size
    pruned = aged.prune(Kept(size_bytes=size + (grown - size) // 2))
    assert 3 <= pruned.runs <= 5
    assert left(aged) == list(range(pruned.runs + 1, RUNS + 2))
    assert aged.stored_bytes() < grown
    before = aged.stored_bytes()
    aged.shrink()
    assert aged.stored_bytes() <= before
    assert aged.prune(Kept(size_bytes=grown)).runs == 0


def explored(store: Store, *days_ago: int) -> None:
    """An exploration with a finding for each, that ended so many days ago; and one in the queue."""
    for days in days_ago:
        begun = store.begin_exploration(made_spec(), myself(), lease_seconds=15)
        store.finish_exploration(begun.id, made_exploration(made_finding()))
        with store.db.write() as connection:
            ended = utc_now(plus_seconds=-86_400 * days)
            connection.execute(update(explorations).where(explorations.c.id == begun.id).values(finished_at=ended))
    store.create_exploration(made_spec())


def test_old_explorations_go_with_all_that_they_found(aged: Store) -> None:
    explored(aged, 50, 20, 5)
    told = aged.prune(Kept(days=45), dry_run=True)
    assert (told.runs, told.explorations) == (4, 1)
    assert aged.prune(Kept(days=45)).explorations == 1
    rows = rows_in(aged)
    assert (rows["explorations"], rows["findings"], rows["finding_timelines"]) == (3, 2, 2)
    assert aged.prune(Kept(days=1)).explorations == 2
    assert [each.state for each in aged.list_explorations()[0]] == ["queued"]
    assert rows_in(aged)["findings"] == 0


def test_runs_and_explorations_go_by_age_alike_when_room_is_wanted(aged: Store) -> None:
    explored(aged, 75, 5)  # the runs ended 80, 70, 60, .. 10 days ago
    size = aged.stored_bytes()
    each = size / (RUNS + 1 + 3)
    pruned = aged.prune(Kept(size_bytes=int(size - 2.5 * each)))
    assert (pruned.runs, pruned.explorations) == (2, 1)
    assert left(aged) == list(range(3, RUNS + 2))
    assert [exploration.id for exploration in aged.list_explorations()[0]] == [3, 2]


def test_a_server_prunes_by_itself(aged: Store, database: str) -> None:
    keeper = Pruner(aged, Settings(database=database, keep_days=45), every_seconds=3600)
    keeper.start()
    keeper.stop()
    assert len(left(aged)) in (5, RUNS + 1)  # it was stopped before it began, or has done its work
    idle = Pruner(aged, Settings(database=database, audit_days=0))
    idle.start()
    idle.stop()


def test_a_backup_is_the_whole_database(aged: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    write_backup(aged.db, copy)
    assert (copy.stat().st_mode & 0o777, [path.name for path in tmp_path.glob("copy.db*")]) == (0o600, ["copy.db"])
    other = Store(str(copy))
    try:
        assert rows_in(other) == rows_in(aged)
        assert other.list_runs(limit=200) == aged.list_runs(limit=200)
        assert other.create_run(RunSpec(protocol="swap_cache")).id == RUNS + 2
    finally:
        other.close()
    with pytest.raises(FileExistsError):
        write_backup(aged.db, copy)


def test_a_backup_sees_one_state_while_others_write(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    for _ in range(3):
        store.create_run(RunSpec(protocol="swap_cache"))
    write_backup(store.db, tmp_path / "copy.db")
    store.create_run(RunSpec(protocol="swap_cache"))
    store.close()
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)
    connection.close()
