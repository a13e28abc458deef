"""Runs, what lies under them, studies and catalogues over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from server.laws import laws
from server.processes import myself
from server.store import Store
from tests.database.outcomes import broken_law, made_outcome
from workers.catalogue import PROTOCOLS, SCENARIOS

RUNS = "/api/v1/runs"
STUDIES = "/api/v1/studies"
ARMS = [{"name": "old", "spec": {"protocol": "has_cache"}}, {"name": "new", "spec": {"protocol": "swap_cache"}}]


def test_a_run_is_queued_and_found_at_its_location(client: FlaskClient) -> None:
    made = client.post(RUNS, json={"protocol": "swap_cache", "cpus": 4, "seed": 9})
    assert (made.status_code, made.headers["Location"]) == (202, "/api/v1/runs/1")
    found = client.get(made.headers["Location"])
    assert found.status_code == 200
    assert found.get_json() == made.get_json()
    assert found.get_json()["state"] == "queued"
    assert found.get_json()["spec"]["cpus"] == 4


def test_the_same_key_is_answered_the_same(client: FlaskClient) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (client.post(RUNS, json={"protocol": "swap_cache"}, headers=key) for _ in range(2))
    assert (again.status_code, again.get_json(), again.headers["Location"]) == (
        202,
        first.get_json(),
        first.headers["Location"],
    )
    other = client.post(RUNS, json={"protocol": "has_cache"}, headers=key)
    assert other.status_code == 422
    assert other.get_json()["code"] == "idempotency_key_reused"
    assert client.post(RUNS, json={"protocol": "has_cache"}, headers={"Idempotency-Key": "a b"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"protocol": "swap_cash"}, "#/protocol"),
        ({"protocol": "swap_cache", "cpus": 9}, "#/cpus"),
        ({"protocol": "swap_cache", "cpus": "4"}, "#/cpus"),
        ({"protocol": "swap_cache", "cpus": True}, "#/cpus"),
        ({"protocol": "swap_cache", "seconds": 61}, "#/seconds"),
        ({"protocol": "swap_cache", "scenario": "trace", "trace": "/etc/passwd"}, "#/trace"),
        ({"protocol": "swap_cache", "scenario": "mix"}, "#"),
        ({"protocol": "swap_cache", "device": {"read_ns": -1}}, "#/device/read_ns"),
        ({"protocol": "swap_cache", "a/b~c": 1}, "#/a~1b~0c"),
        ({}, "#/protocol"),
        ([], "#"),
    ],
)
def test_a_wrong_spec_is_pointed_at(client: FlaskClient, body: object, pointer: str) -> None:
    refused = client.post(RUNS, json=body)
    assert refused.status_code == 422
    assert pointer in [fault["pointer"] for fault in refused.get_json()["errors"]]
    assert client.get(RUNS).get_json()["items"] == []


def test_cancel(client: FlaskClient, store: Store, study: int) -> None:
    client.post(RUNS, json={"protocol": "swap_cache"})
    for _ in range(2):
        cancelled = client.post(f"{RUNS}/17/cancel")
        assert (cancelled.status_code, cancelled.get_json()["state"]) == (202, "cancelled")
    assert client.post(f"{RUNS}/1/cancel").status_code == 409
    assert client.post(f"{RUNS}/18/cancel").status_code == 404


def test_what_lies_under_a_run(client: FlaskClient, study: int) -> None:
    outcome = made_outcome(scale=1.5)
    assert client.get(f"{RUNS}/1").get_json()["metrics"] == outcome.metrics
    assert client.get(f"{RUNS}/1/samples").get_json()["items"] == [{"at_ns": 1, "figures": {"operations": 1}}]
    names = [item["name"] for item in client.get(f"{RUNS}/1/histograms").get_json()["items"]]
    assert names == ["fault", "swap_in"]
    histogram = client.get(f"{RUNS}/1/histograms/swap_in")
    assert histogram.get_json() == outcome.histograms["swap_in"].model_dump()
    table = client.get(f"{RUNS}/1/histograms/swap_in?format=csv")
    assert table.mimetype == "text/csv"
    assert table.text.splitlines()[:2] == ["lower_ns,upper_ns,count", "1500,1875,60000"]
    assert client.get(f"{RUNS}/1/histograms/nothing").status_code == 404
    environment = client.get(f"{RUNS}/1/environment").get_json()
    assert environment["environment"] == outcome.environment
    assert environment["attempts"][0]["config_hash"] == client.get(f"{RUNS}/1").get_json()["config_hash"]
    assert client.get(f"{RUNS}/1/violations").get_json() == {"items": []}


def test_violations(client: FlaskClient, store: Store) -> None:
    client.post(RUNS, json={"protocol": "unsynchronized"})
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    store.finish(claim.token, made_outcome(violations=[broken_law()]))
    assert client.get(f"{RUNS}/1").get_json()["state_reason"]["code"] == "law_violated"
    assert client.get(f"{RUNS}/1/violations").get_json()["items"] == [broken_law().model_dump()]


def test_lists_are_paged_and_narrowed(client: FlaskClient, study: int) -> None:
    page = client.get(RUNS, query_string={"limit": 5}).get_json()
    seen = [run["id"] for run in page["items"]]
    while page["next_cursor"] is not None:
        page = client.get(RUNS, query_string={"limit": 5, "cursor": page["next_cursor"]}).get_json()
        seen += [run["id"] for run in page["items"]]
    assert seen == list(range(16, 0, -1))
    narrowed = client.get(f"{RUNS}?state=succeeded&protocol=has_cache&scenario=thread_fault&study={study}").get_json()
    assert len(narrowed["items"]) == 8
    assert client.get(f"{RUNS}?study=99").get_json()["items"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=1.0", "cursor=abc", "cursor=WzFd=", "sort=-age", "state=dead",
              "limit=1&limit=2", "cursor="]
)  # fmt: skip
def test_a_wrong_query_is_named(client: FlaskClient, query: str) -> None:
    refused = client.get(f"{RUNS}?{query}")
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_study_is_queued_in_blocks(client: FlaskClient) -> None:
    made = client.post(STUDIES, json={"arms": ARMS, "repeats": 3, "seed": 5, "name": "demo"})
    assert (made.status_code, made.headers["Location"]) == (202, "/api/v1/studies/1")
    assert client.get("/api/v1/studies/1").get_json() == made.get_json()
    assert made.get_json()["states"] == {"queued": 6}
    runs = client.get(f"{RUNS}?study=1").get_json()["items"]
    assert [(run["arm"], run["seed"]) for run in reversed(runs)] == [
        ("old", 5), ("new", 5), ("new", 6), ("old", 6), ("new", 7), ("old", 7),
    ]  # fmt: skip
    assert [each["id"] for each in client.get(STUDIES).get_json()["items"]] == [1]
    assert client.get(f"{STUDIES}/2").status_code == 404


def test_a_wrong_study_is_pointed_at(client: FlaskClient) -> None:
    unknown = client.post(STUDIES, json={"arms": [*ARMS, {"name": "x", "spec": {"protocol": "none"}}]})
    assert [fault["pointer"] for fault in unknown.get_json()["errors"]] == ["#/arms/2/spec/protocol"]
    seeded = client.post(STUDIES, json={"arms": [{"name": "x", "spec": {"protocol": "swap_cache", "seed": 2}}]})
    assert "the seeds of a study come from its 'seed'" in seeded.get_json()["errors"][0]["detail"]
    full = client.post(STUDIES, json={"arms": ARMS, "repeats": 51})
    assert (full.status_code, full.get_json()["code"], full.headers["Retry-After"]) == (429, "queue_full", "5")


def test_catalogues(client: FlaskClient) -> None:
    for kind, names in (("protocols", PROTOCOLS), ("scenarios", SCENARIOS)):
        items = client.get(f"/api/v1/{kind}").get_json()["items"]
        assert [item["name"] for item in items] == list(names)
        assert client.get(f"/api/v1/{kind}/{items[0]['name']}").get_json() == items[0]
        assert client.get(f"/api/v1/{kind}/none").status_code == 404


def test_laws_are_those_of_the_command_line(client: FlaskClient) -> None:
    items = client.get("/api/v1/laws").get_json()["items"]
    assert items == [law.body() for law in laws()]
    of_one = client.get("/api/v1/laws?protocol=swap_table").get_json()["items"]
    assert of_one == [law.body() for law in laws("swap_table")]
    assert {law["law"]: law["known"][0]["museum"] for law in of_one if law["known"]}["Q6"] == [27, 38]
    unknown = client.get("/api/v1/laws?protocol=none")
    assert unknown.status_code == 422
    assert unknown.get_json()["errors"][0]["parameter"] == "protocol"


def test_laws_that_cannot_be_read_are_told_so(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("server.laws.DOCUMENT", tmp_path / "laws.md")
    for address in ("/api/v1/laws", "/protocols/laws"):
        told = client.get(address)
        assert told.status_code == 404
        assert "The table of laws, docs/laws.md, cannot be read" in told.get_data(as_text=True)


def test_the_service_about_itself(client: FlaskClient) -> None:
    client.post(RUNS, json={"protocol": "swap_cache"})
    assert client.get("/healthz").get_json() == {"status": "ok", "queued": 1, "live": 0}
    assert client.get("/version").get_json()["name"] == "swaprace"
