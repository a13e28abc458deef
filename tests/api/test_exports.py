"""Whole lists as CSV and JSON, and the whole database as a file."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from server.processes import myself
from server.query import VIEWS
from server.store import Store
from tests.database.outcomes import made_load_test
from tests.explorations.made import made_exploration, made_finding, made_spec

EXPORTS = "/api/v1/exports"


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("view", VIEWS)
def test_a_list_is_had_whole_in_both_forms(client: FlaskClient, store: Store, study: int, view: str) -> None:
    store.add_load_test(made_load_test(run_id=1, elapsed_ns=7_000_000_000))
    client.post("/api/v1/comparisons", json={"study": study, "baseline": "old", "candidate": "new"})
    exploration = store.begin_exploration(made_spec(), myself(), lease_seconds=15)
    store.finish_exploration(exploration.id, made_exploration(made_finding()))
    path = f"{EXPORTS}/{view.removeprefix('v_')}"
    table = client.get(path)
    assert (table.status_code, table.mimetype) == (200, "text/csv")
    header, *rows = rows_of(table.text)
    assert header == list(VIEWS[view].columns)
    items = client.get(path, query_string={"format": "json"}).get_json()
    assert len(items) == len(rows)
    assert bool(rows) == (view != "v_violations")
    for item, row in zip(items, rows, strict=True):
        assert list(item) == header
        assert [("" if value is None else str(value)) for value in item.values()] == row


def test_an_export_is_filtered_and_sorted(client: FlaskClient, study: int) -> None:
    query = {"filter": "protocol:swap_cache block<4", "sort": "-p99_ns"}
    _, *rows = rows_of(client.get(f"{EXPORTS}/runs", query_string=query).text)
    columns = list(VIEWS["v_runs"].columns)
    figures = [float(row[columns.index("p99_ns")]) for row in rows]
    assert len(rows) == 4
    assert figures == sorted(figures, reverse=True)
    _, *waits = rows_of(client.get(f"{EXPORTS}/waits", query_string={"filter": "id:3"}).text)
    assert [(row[0], row[7]) for row in waits] == [("3", "cluster_lock"), ("3", "tick_sleep")]


def test_an_export_of_load_tests_is_filtered_and_sorted(client: FlaskClient, store: Store) -> None:
    for users in (3, 5, 9):
        store.add_load_test(made_load_test(users=users))
    query = {"filter": "users>=5", "sort": "users", "format": "json"}
    loads = client.get(f"{EXPORTS}/loads", query_string=query).get_json()
    assert [each["users"] for each in loads] == [5, 9]
    requests = client.get(f"{EXPORTS}/requests", query_string=query).get_json()
    assert [(each["load_test_id"], each["kind"]) for each in requests] == [
        (2, "CPU"),
        (2, "GET"),
        (3, "CPU"),
        (3, "GET"),
    ]
    assert {each["requests_s"] for each in requests} == {100.0}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [({"filter": "p99_ns<"}, "filter"), ({"sort": "nope"}, "sort"), ({"format": "xml"}, "format"), ({"x": "1"}, "x")],
)
def test_a_wrong_export_is_named(client: FlaskClient, query: dict[str, str], parameter: str) -> None:
    refused = client.get(f"{EXPORTS}/runs", query_string=query)
    assert (refused.status_code, refused.get_json()["errors"][0]["parameter"]) == (422, parameter)


def test_an_unknown_list_is_named(client: FlaskClient) -> None:
    assert "lists are runs, metrics" in client.get(f"{EXPORTS}/tokens").get_json()["detail"]


def test_the_database_is_a_file(client: FlaskClient, store: Store, study: int, tmp_path: Path) -> None:
    answer = client.get("/api/v1/database")
    assert (answer.status_code, answer.mimetype) == (200, "application/vnd.sqlite3")
    copy = tmp_path / "copy.db"
    copy.write_bytes(answer.data)
    connection = sqlite3.connect(copy)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*), min(p99_ns) > 0 FROM v_runs").fetchone() == (16, 1)
    finally:
        connection.close()
    again = Store(str(copy))
    try:
        assert again.get_study(study) == store.get_study(study)
        assert again.results_of([1, 16]) == store.results_of([1, 16])
    finally:
        again.close()
