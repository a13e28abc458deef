"""docs/database.md: every query in it runs and finds something, and every view and column is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from server.figures import compare_study
from server.processes import myself
from server.schemas import Arm
from server.store import Store, open_store
from tests.database.outcomes import broken_law, made_load_test, made_outcome
from tests.explorations.made import made_exploration, made_finding, made_spec
from workers.outcome import WAIT_CAUSES
from workers.spec import RunSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "database.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
SHARED = {"run_id", "study_id", "arm", "block", "protocol", "scenario", "state"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a finished study, its comparison, a violated law and a run that waits, in each kind of database."""
    if request.param == "sqlite":
        yield from filled_store(str(tmp_path_factory.mktemp("filled") / "results.db"))
        return
    with request.getfixturevalue("postgres").database() as url:
        yield from filled_store(url)


def filled_store(database: str) -> Iterator[Store]:
    store = open_store(database)
    arms = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]
    study = store.create_study(arms, 6)
    store.create_run(RunSpec(protocol="unsynchronized"))
    while claim := store.claim(myself(), lease_seconds=15):
        store.mark_running(claim.token)
        store.add_sample(claim.token, 1_000, {"operations": 5})
        violations = [broken_law()] if claim.spec.protocol == "unsynchronized" else []
        scale = (1.4 if claim.spec.protocol == "has_cache" else 1.0) + claim.spec.seed / 100
        store.finish(claim.token, made_outcome(scale=scale, violations=violations))
    compare_study(store, study.id, "old", "new")
    store.create_run(RunSpec(protocol="swap_cache"))
    store.add_load_test(made_load_test(run_id=1))
    exploration = store.begin_exploration(made_spec(), myself(), lease_seconds=15)
    store.finish_exploration(exploration.id, made_exploration(made_finding()))
    yield store
    store.close()


def views_of(store: Store) -> dict[str, set[str]]:
    """Views of the database and their columns."""
    with store.db.read() as connection:
        found = inspect(connection)
        return {name: {str(column["name"]) for column in found.get_columns(name)} for name in found.get_view_names()}


@pytest.mark.parametrize("query", QUERIES)
def test_a_documented_query_finds_something(filled: Store, query: str) -> None:
    with filled.db.read() as connection:
        rows = connection.exec_driver_sql(query).all()
    assert rows
    assert any(value is not None for value in rows[0])


def test_the_page_knows_every_view_and_column(store: Store) -> None:
    documented = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `v_"):
            name, _, columns = (cell.strip() for cell in line.strip("|").split("|"))
            words = set(re.findall(r"`([a-z0-9_]+)`", re.sub(r"`cause` \([^)]*\)", "`cause`", columns)))
            alone = "none of the shared columns" in line
            documented[name.strip("`")] = words if alone else words | SHARED
    assert documented == views_of(store)


def test_the_page_knows_every_cause_of_waiting() -> None:
    (causes,) = re.findall(r"`cause` \(([^)]*)\)", PAGE.read_text())
    assert tuple(re.findall(r"`([a-z_]+)`", causes)) == WAIT_CAUSES


def test_every_view_is_queried_by_an_example() -> None:
    named = set(re.findall(r"\bv_[a-z]+", " ".join(QUERIES)))
    assert named == set(re.findall(r"^\| `(v_[a-z]+)`", PAGE.read_text(), re.MULTILINE))


def test_figures_of_pairs_are_exact(filled: Store) -> None:
    with filled.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT value FROM v_metrics WHERE metric = 'tick_sleeps'").scalars().all()
        medians = connection.exec_driver_sql("SELECT p50_ns FROM v_runs WHERE run_id = 1").scalar_one()
        lower = connection.exec_driver_sql("SELECT lower_ns FROM v_buckets WHERE run_id = 1 AND histogram = 'swap_in'")
        assert lower.scalars().all() == made_outcome(scale=1.41).histograms["swap_in"].lower_ns
    assert rows == [7] * 13
    assert medians == made_outcome(scale=1.41).metrics["p50_ns"]
