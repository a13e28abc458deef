"""Comparisons over HTTP: made of finished runs, kept, and found again."""

from __future__ import annotations

from flask.testing import FlaskClient

COMPARISONS = "/api/v1/comparisons"


def test_two_arms_of_a_study(client: FlaskClient, study: int) -> None:
    made = client.post(COMPARISONS, json={"study": study, "baseline": "old", "candidate": "new"})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/comparisons/1")
    assert client.get(made.headers["Location"]).get_json() == made.get_json()
    assert len(made.get_json()["baseline_runs"]) == len(made.get_json()["candidate_runs"]) == 8
    throughput = made.get_json()["result"]["metrics"]["throughput_ops_s"]
    assert (throughput["verdict"], throughput["n"]) == ("improved", 8)
    assert throughput["change"] > 0.3
    assert [each["id"] for each in client.get(COMPARISONS).get_json()["items"]] == [1]


def test_two_lists_of_runs_and_a_key(client: FlaskClient, study: int) -> None:
    body = {"baseline_runs": [1, 4, 5], "candidate_runs": [2, 3, 6]}
    key = {"Idempotency-Key": "same"}
    first, again = (client.post(COMPARISONS, json=body, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.get_json() == again.get_json()
    assert client.post(COMPARISONS, json={**body, "candidate_runs": [2]}, headers=key).status_code == 422


def test_what_cannot_be_compared(client: FlaskClient, study: int) -> None:
    client.post("/api/v1/runs", json={"protocol": "swap_cache"})
    unfinished = client.post(COMPARISONS, json={"baseline_runs": [1], "candidate_runs": [17]})
    assert unfinished.status_code == 409
    assert "17 (queued)" in unfinished.get_json()["detail"]
    missing = client.post(COMPARISONS, json={"baseline_runs": [1], "candidate_runs": [99]})
    assert (missing.status_code, missing.get_json()["detail"]) == (404, "There is no run 99.")
    arm = client.post(COMPARISONS, json={"study": study, "baseline": "old", "candidate": "newer"})
    assert arm.status_code == 404
    assert "its arms are old, new" in arm.get_json()["detail"]
    for body in ({}, {"study": study}, {"study": study, "baseline": "old", "candidate": "new", "baseline_runs": [1]}):
        assert client.post(COMPARISONS, json=body).status_code == 422
    for runs in ([2**63], [0], [2, 2], [1], []):
        assert client.post(COMPARISONS, json={"baseline_runs": [1], "candidate_runs": runs}).status_code == 422
