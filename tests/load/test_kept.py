"""Load tests as the service keeps, lists and compares them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from server import create_app
from server.api.common import EXTENSION
from server.config import Settings
from tests.database.outcomes import made_load_test

LAB = {"host": "lab", "kernel": "6.12"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_app(Settings(database=str(tmp_path / "r.db")))
    yield app.test_client()
    app.extensions[EXTENSION].store.close()


def keep(client: FlaskClient, key: str | None = None, **fields: Any) -> Any:
    """Keep a load test; the answer."""
    body = made_load_test(**{"environment": LAB, **fields}).model_dump(mode="json")
    return client.post("/api/v1/load-tests", json=body, headers={"Idempotency-Key": key} if key else {})


def compare(client: FlaskClient, baseline: list[int], candidate: list[int], name: str = "swap-in") -> Any:
    """The comparison of two sets over operations of CPU users."""
    body = {"baseline": baseline, "candidate": candidate, "kind": "CPU", "name": name}
    return client.post("/api/v1/load-tests/compare", json=body)


def test_a_load_test_comes_back_with_its_percentiles(client: FlaskClient) -> None:
    made = keep(client, name="first")
    assert made.status_code == 201
    kept = client.get(made.headers["Location"]).get_json()
    assert kept == made.get_json()
    swap_in = next(entry for entry in kept["entries"] if entry["kind"] == "CPU")
    assert (kept["requests"], swap_in["requests_s"], swap_in["mean_ns"]) == (2_000, 100.0, 5_000)
    assert (swap_in["p50_ns"], swap_in["p90_ns"], swap_in["p99_ns"]) == (5_450, 5_850, 5_950)
    assert client.get("/api/v1/load-tests/2").status_code == 404


def test_the_list_is_paged_newest_first(client: FlaskClient) -> None:
    for name in ("a", "b", "c"):
        keep(client, name=name)
    first = client.get("/api/v1/load-tests?limit=2").get_json()
    second = client.get(f"/api/v1/load-tests?limit=2&cursor={first['next_cursor']}").get_json()
    assert [item["name"] for item in first["items"] + second["items"]] == ["c", "b", "a"]
    assert second["next_cursor"] is None


def test_the_same_key_keeps_one(client: FlaskClient) -> None:
    assert keep(client, key="k").get_json()["id"] == keep(client, key="k").get_json()["id"]
    assert keep(client, key="k", name="other").status_code == 422


def test_what_cannot_be_kept_is_refused(client: FlaskClient) -> None:
    assert keep(client, run_id=7).status_code == 404
    body = made_load_test().model_dump(mode="json")
    body["entries"].append(body["entries"][0])
    assert client.post("/api/v1/load-tests", json=body).status_code == 422
    body = made_load_test().model_dump(mode="json")
    body["entries"][0]["buckets"][0] = [1, 2, 3]
    problem = client.post("/api/v1/load-tests", json=body)
    assert (problem.status_code, problem.get_json()["errors"][0]["pointer"]) == (422, "#/entries/0/buckets/0")


def test_sets_of_load_tests_compare_like_runs(client: FlaskClient) -> None:
    slow = [keep(client, scale=2.0 + step / 100).get_json()["id"] for step in range(6)]
    fast = [keep(client, scale=1.0 + step / 100).get_json()["id"] for step in range(6)]
    result = compare(client, slow, fast).get_json()
    assert (result["comparable"], result["n"]) == (True, 6)
    assert result["metrics"]["p50_ns"]["verdict"] == "improved"
    assert result["metrics"]["p50_ns"]["change"] == pytest.approx(-0.5, abs=0.05)
    assert result["metrics"]["throughput_ops_s"]["verdict"] in ("equivalent", "inconclusive")
    assert compare(client, slow, fast, "fork").status_code == 404


def test_unlike_and_failed_load_tests_are_not_compared(client: FlaskClient) -> None:
    plain = keep(client).get_json()["id"]
    crowded = keep(client, users=50).get_json()["id"]
    elsewhere = keep(client, environment={**LAB, "host": "attic"}).get_json()["id"]
    failing = keep(client, failures=3).get_json()["id"]
    assert compare(client, [plain], [crowded]).get_json()["differing_keys"] == ["config.users"]
    assert compare(client, [plain], [elsewhere]).get_json()["differing_keys"] == ["environment.host"]
    refused = compare(client, [plain], [failing]).get_json()
    assert not refused["comparable"]
    assert "3 of 1000 requests failed" in refused["reason"]
