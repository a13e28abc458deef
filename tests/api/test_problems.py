"""Every error is a problem document, and a request of another site changes nothing."""

from __future__ import annotations

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from server.store import Store

RUNS = "/api/v1/runs"
SPEC = {"protocol": "swap_cache"}


def problem(response: TestResponse, status: int) -> dict[str, object]:
    """The problem document in `response`, checked for its shape."""
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    document: dict[str, object] = response.get_json(force=True)
    assert document.keys() == {"type", "title", "status", "code", "detail", "instance", "errors"}
    assert document["status"] == status
    assert str(document["detail"]).endswith(".")
    return document


def test_nothing_there(client: FlaskClient) -> None:
    assert problem(client.get("/nowhere"), 404)["instance"] == "/nowhere"
    assert problem(client.get(f"{RUNS}/1"), 404)["detail"] == "There is no run 1."
    problem(client.get(f"{RUNS}/{2**63}"), 404)
    problem(client.get(f"{RUNS}/-1"), 404)


def test_wrong_method(client: FlaskClient) -> None:
    refused = client.delete(RUNS)
    problem(refused, 405)
    assert {method.strip() for method in refused.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS", "POST"}


def test_wrong_body(client: FlaskClient) -> None:
    as_json = {"content_type": "application/json"}
    assert "line 1 column 2 (char 1)" in str(problem(client.post(RUNS, data="{", **as_json), 400)["detail"])
    problem(client.post(RUNS, data="[" * 100_000, **as_json), 400)
    problem(client.post(RUNS, data='{"protocol": "swap_cache", "seconds": NaN}', **as_json), 400)
    problem(client.post(RUNS, data=b"\xff\xfe", **as_json), 400)
    problem(client.post(RUNS, data="", **as_json), 400)
    problem(client.post(RUNS, data="protocol=swap_cache", content_type="application/x-www-form-urlencoded"), 415)
    problem(client.post(RUNS, data="{}", content_type="text/plain"), 415)
    problem(client.post(RUNS), 415)
    problem(client.post(RUNS, data=b'"' + b"a" * 1_000_000 + b'"', **as_json), 413)


def test_an_error_of_ours(client: FlaskClient, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with store.db.write() as connection:
        connection.exec_driver_sql("DROP VIEW v_runs")
        connection.exec_driver_sql("ALTER TABLE runs RENAME TO runs_away")
    document = problem(client.get(RUNS), 500)
    assert "runs" not in str(document["detail"])
    missing = 'relation "runs" does not exist' if store.db.is_postgresql else "no such table: runs"
    assert missing in caplog.text


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "localhost.evil:8000", "[::2]"])
def test_a_foreign_host(client: FlaskClient, host: str) -> None:
    problem(client.get("/healthz", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_our_hosts(client: FlaskClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
)
def test_a_foreign_page(client: FlaskClient, headers: dict[str, str]) -> None:
    problem(client.post(RUNS, json=SPEC, headers=headers), 403)
    assert client.get(RUNS).get_json()["items"] == []
    assert client.get(RUNS, headers=headers).status_code == 200


def test_our_page(client: FlaskClient) -> None:
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert client.post(RUNS, json=SPEC, headers=ours).status_code == 202


def test_an_address_without_a_query(client: FlaskClient) -> None:
    client.post(RUNS, json=SPEC)
    document = problem(client.get(f"{RUNS}/1?verbose=1"), 422)
    assert document["errors"] == [{"detail": "this address takes no query parameters", "parameter": "verbose"}]


def test_the_page_of_the_api_needs_nobody_else(app: APIFlask, client: FlaskClient) -> None:
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("http://localhost", "").replace("postgresql://", "")
    document = client.get("/openapi.json").get_json()
    for path in document["paths"]:
        assert path in page.text.replace("&lt;", "<")
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text
    with client.get("/static/docs.css") as style:
        assert style.mimetype == "text/css"
