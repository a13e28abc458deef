"""SQL over HTTP: asked, refused, kept; and what is refused says why."""

from __future__ import annotations

import csv
import io

import pytest
from flask.testing import FlaskClient

from server.query import VIEWS
from server.query.examples import EXAMPLES

QUERY = "/api/v1/query"
FIGURES = "SELECT arm, count(*) AS runs, min(p99_ns) AS p99_ns FROM v_runs GROUP BY arm ORDER BY arm"


def test_a_question_and_its_answer(client: FlaskClient, study: int) -> None:
    answer = client.post(QUERY, json={"sql": FIGURES})
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["elapsed_ns"] > 0
    assert (body["columns"], body["truncated"]) == (["arm", "runs", "p99_ns"], False)
    assert [(row[0], row[1]) for row in body["rows"]] == [("new", 8), ("old", 8)]
    assert client.post(QUERY, json={"sql": "SELECT run_id FROM v_runs", "limit": 3}).get_json()["truncated"]


def test_a_link_answers_the_same_as_json_and_csv(client: FlaskClient, study: int) -> None:
    asked = client.post(QUERY, json={"sql": FIGURES}).get_json()
    linked = client.get(QUERY, query_string={"sql": FIGURES}).get_json()
    assert (linked["columns"], linked["rows"]) == (asked["columns"], asked["rows"])
    table = client.get(QUERY, query_string={"sql": FIGURES, "format": "csv"})
    assert (table.mimetype, table.headers["Content-Disposition"]) == ("text/csv", 'attachment; filename="query.csv"')
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0] == asked["columns"]
    assert [[row[0], int(row[1]), float(row[2])] for row in rows[1:]] == asked["rows"]
    assert client.get(QUERY, query_string={"sql": FIGURES, "format": "csv", "limit": 1}).text.count("\n") == 2


@pytest.mark.parametrize(
    ("sql", "code", "word"),
    [
        ("SELECT * FROM tokens", "query_refused", "tokens"),
        ("DROP VIEW v_runs", "query_refused", "write SELECT"),
        ("SELECT nope FROM v_runs", "query_wrong", "nope"),
    ],
)
def test_what_is_refused_is_told(client: FlaskClient, sql: str, code: str, word: str) -> None:
    asked = client.post(QUERY, json={"sql": sql})
    assert (asked.status_code, asked.get_json()["code"]) == (422, code)
    assert asked.get_json()["errors"][0]["pointer"] == "#/sql"
    assert word in asked.get_json()["detail"]
    for form in ("json", "csv"):
        linked = client.get(QUERY, query_string={"sql": sql, "format": form})
        assert (linked.status_code, linked.get_json()["errors"][0]["parameter"]) == (422, "sql")


@pytest.mark.parametrize("body", [{}, {"sql": ""}, {"sql": 1}, {"sql": "SELECT 1", "limit": 0}, {"sql": "x" * 20_001}])
def test_a_wrong_body_is_pointed_at(client: FlaskClient, body: dict[str, object]) -> None:
    assert client.post(QUERY, json=body).status_code == 422


def test_the_views_are_documented(client: FlaskClient) -> None:
    items = client.get(f"{QUERY}/views").get_json()["items"]
    assert [item["name"] for item in items] == list(VIEWS)
    assert all(item["row"] and all(column["meaning"] for column in item["columns"]) for item in items)


def test_queries_are_kept_and_forgotten(client: FlaskClient) -> None:
    shipped = client.get(f"{QUERY}/saved").get_json()["items"]
    assert [item["name"] for item in shipped] == [example.name for example in EXAMPLES]
    kept = {"name": "mine", "title": "Mine", "sql": "SELECT 1"}
    made = client.post(f"{QUERY}/saved", json=kept)
    assert (made.status_code, made.headers["Location"]) == (201, f"{QUERY}/saved/mine")
    assert client.get(made.headers["Location"]).get_json() == made.get_json()
    assert client.get(f"{QUERY}/saved").get_json()["items"][-1]["name"] == "mine"
    assert client.post(f"{QUERY}/saved", json=kept).status_code == 409
    assert client.post(f"{QUERY}/saved", json={**kept, "name": "studies"}).status_code == 409
    assert client.delete(f"{QUERY}/saved/studies").status_code == 409
    assert client.delete(f"{QUERY}/saved/mine").status_code == 204
    assert client.get(f"{QUERY}/saved/mine").status_code == 404
    assert client.delete(f"{QUERY}/saved/mine").status_code == 404
    for name in ("", "a b", "../x", "x" * 65):
        assert client.post(f"{QUERY}/saved", json={**kept, "name": name}).status_code == 422
