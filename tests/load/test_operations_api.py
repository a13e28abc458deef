"""/runs/{id}/operations and /finish, against a real server."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

PATIENCE_SECONDS = 60.0
LOADS = [{"op": "load", "page": page} for page in range(64)]


def ask(address: str, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{address}/api/v1{path}", data, {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_for(address: str, run_id: int, *states: str) -> dict[str, Any]:
    """The run, once it is in one of the states."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        run: dict[str, Any] = ask(address, f"/runs/{run_id}")[1]
        if run["state"] in states:
            return run
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} is {run['state']}, not {states}")


def driven_run(address: str, **fields: Any) -> int:
    """A live run that clients drive."""
    body = {"protocol": "swap_cache", "driver": "external", "cpus": 2, "seconds": 120, "pages": 64, **fields}
    status, run = ask(address, "/runs", body)
    assert status == 202, run
    wait_for(address, run["id"], "running")
    return int(run["id"])


def test_a_run_is_driven_to_its_end(server: str) -> None:
    run_id = driven_run(server)
    path = f"/runs/{run_id}/operations"
    status, cpus = ask(server, path)
    assert (status, cpus["pages"], [cpu["state"] for cpu in cpus["cpus"]]) == (200, 64, ["free", "free"])
    status, batch = ask(server, path, {"operations": [{"op": "pageout", "page": 0, "pages": 64}, *LOADS]})
    assert (status, batch["end"], len(batch["results"])) == (200, "played", 65)
    assert all(result["error"] is None and result["latency_ns"] > 0 for result in batch["results"])
    swap_ins = sum(result["outcome"] == "swap_in" for result in batch["results"])
    assert swap_ins > 0

    status, problem = ask(server, path, {"cpu": batch["cpu"], "operations": LOADS})
    assert (status, problem["code"]) == (409, "cpu_busy")
    status, problem = ask(server, path, {"cpu": 2})
    assert (status, problem["errors"][0]["pointer"]) == (422, "#/cpu")
    far = {"claim": batch["claim"], "operations": [*LOADS, {"op": "store", "page": 64}]}
    status, problem = ask(server, path, far)
    assert (status, problem["errors"][0]["pointer"]) == (422, "#/operations/64/page")
    status, problem = ask(server, path, {"operations": [{"op": "load", "pge": 1}]})
    assert {fault["pointer"] for fault in problem["errors"]} == {"#/operations/0/page", "#/operations/0/pge"}
    status, problem = ask(server, path, {"operations": [{"op": "dance"}]})
    assert (status, problem["errors"][0]["pointer"]) == (422, "#/operations/0")
    status, problem = ask(server, path, {"operations": LOADS * 16})
    assert (status, problem["errors"][0]["pointer"]) == (422, "#/operations")

    status, last = ask(server, path, {"claim": batch["claim"], "release": True, "operations": LOADS})
    assert (status, last["claim"]) == (200, None)
    status, problem = ask(server, path, {"claim": batch["claim"], "operations": LOADS})
    assert (status, problem["code"]) == (409, "claim_lost")

    counted = {each["name"]: each["count"] for each in ask(server, path)[1]["latencies"]}
    assert ask(server, f"/runs/{run_id}/finish", method="POST") == (202, {"run_id": run_id})
    run = wait_for(server, run_id, "succeeded", "failed", "lost")
    assert (run["state"], run["metrics"]["swap_ins"]) == ("succeeded", counted["swap_in"])
    assert counted["swap_in"] >= swap_ins
    status, problem = ask(server, path, {"operations": LOADS})
    assert (status, problem["code"]) == (409, "not_running")


def test_a_claim_that_was_refused_its_batch_is_given_back(server: str) -> None:
    run_id = driven_run(server)
    path = f"/runs/{run_id}/operations"
    for _ in range(3):
        assert ask(server, path, {"operations": [{"op": "load", "page": 64}]})[0] == 422
    end = time.monotonic() + PATIENCE_SECONDS
    while [cpu["state"] for cpu in ask(server, path)[1]["cpus"]] != ["free", "free"]:
        assert time.monotonic() < end
    assert ask(server, f"/runs/{run_id}/cancel", method="POST")[0] == 202
    assert wait_for(server, run_id, "cancelled")["state_reason"]["code"] == "cancelled"


@pytest.mark.parametrize("what", ["operations", "finish"])
def test_other_runs_take_no_operations(server: str, what: str) -> None:
    status, run = ask(server, "/runs", {"protocol": "swap_cache", "seconds": 0.05})
    assert status == 202
    body = {"operations": LOADS} if what == "operations" else None
    status, problem = ask(server, f"/runs/{run['id']}/{what}", body, "POST")
    assert (status, problem["code"]) == (409, "not_external")
    assert ask(server, f"/runs/999999/{what}", body, "POST")[0] == 404
    wait_for(server, run["id"], "succeeded")
