"""Lists say of each item what the item says of itself."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from server.processes import myself
from server.store import Store
from tests.database.outcomes import broken_law, known_breach, made_outcome
from workers.spec import RunSpec


@pytest.fixture
def varied(client: FlaskClient, store: Store, study: int) -> int:
    """A finished study, its comparison, and runs that wait, failed by a law, were lost and cancelled; their number."""
    for _ in range(4):
        store.create_run(RunSpec(protocol="swap_cache", scenario="usemem"))
    failing = store.claim(myself(), lease_seconds=15)
    assert failing is not None
    store.mark_running(failing.token)
    store.finish(failing.token, made_outcome(violations=[broken_law()]))
    losing = store.claim(myself(), lease_seconds=15)
    assert losing is not None
    store.give_up(losing.token, "lost", "lease_expired", 'Its "lease" ran out.')
    store.cancel_run(19)
    client.post("/api/v1/comparisons", json={"study": study, "baseline": "old", "candidate": "new"})
    client.post("/api/v1/comparisons", json={"baseline_runs": [1], "candidate_runs": [2]})
    return 20


@pytest.mark.parametrize(("path", "number"), [("runs", 20), ("studies", 1), ("comparisons", 2)])
def test_an_item_of_a_list_is_the_resource(client: FlaskClient, varied: int, path: str, number: int) -> None:
    items = client.get(f"/api/v1/{path}?limit=200").get_json()["items"]
    assert [item["id"] for item in items] == list(range(number, 0, -1))
    for item in items:
        assert item == client.get(f"/api/v1/{path}/{item['id']}").get_json()


def test_a_run_tells_what_its_version_is_known_to_break(client: FlaskClient, varied: int) -> None:
    items = client.get("/api/v1/runs?limit=200").get_json()["items"]
    told = {item["state"]: item["known"] for item in items}
    assert told["succeeded"] == told["failed"] == [known_breach().model_dump()]
    assert told["queued"] is None


def test_a_list_is_tagged(client: FlaskClient, varied: int) -> None:
    first = client.get("/api/v1/runs")
    again = client.get("/api/v1/runs", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")


def test_a_text_that_cannot_be_stored_is_refused(client: FlaskClient) -> None:
    body = {"name": "a\x00b", "arms": [{"name": "x", "spec": {"protocol": "swap_cache"}}], "repeats": 1}
    assert client.post("/api/v1/studies", json=body).status_code in (202, 422)
    assert client.get("/api/v1/runs", query_string={"protocol": "a\x00b"}).status_code in (200, 422)
