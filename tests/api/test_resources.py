"""ETags, retries, reproducers, baselines, hosts, histograms for plotters, and the service about itself."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner
from flask.testing import FlaskClient
from hdrh.histogram import HdrHistogram
from jsonschema_rs import validator_for

from server.api.common import EXTENSION, Service
from server.cli.run_command import run as run_command
from server.cli.spec_options import build_spec, options_of
from server.processes import myself
from server.reproducer import shortest
from server.store import Store
from tests.database.outcomes import broken_law, made_outcome
from workers.spec import CooperativeSpec, DeviceSpec, MemcgSpec, RunSpec

RUNS = "/api/v1/runs"
BASELINES = "/api/v1/baselines"
ONE_STORE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is about no SQL


def made(client: FlaskClient, body: dict[str, Any]) -> Any:
    return client.post(RUNS, json={"protocol": "swap_cache", **body}).get_json()


def test_an_etag_saves_the_answer_until_something_changes(client: FlaskClient, study: int) -> None:
    for path in (f"{RUNS}/1", RUNS, f"/api/v1/studies/{study}", "/api/v1/hosts", f"{RUNS}/1/histograms/swap_in"):
        first = client.get(path)
        tag = first.headers["ETag"]
        same = client.get(path, headers={"If-None-Match": tag})
        assert (same.status_code, same.get_data(), same.headers["ETag"]) == (304, b"", tag), path
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    waiting = made(client, {})
    path = f"{RUNS}/{waiting['id']}"
    tag = client.get(path).headers["ETag"]
    client.post(f"{path}/cancel")
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


@ONE_STORE
def test_nobody_changes_what_they_have_not_seen(client: FlaskClient, store: Store) -> None:
    path = f"{RUNS}/{made(client, {})['id']}"
    tag = client.get(path).headers["ETag"]
    assert store.claim(myself(), lease_seconds=15) is not None
    refused = client.post(f"{path}/cancel", headers={"If-Match": tag})
    assert (refused.status_code, refused.get_json()["code"]) == (412, "precondition_failed")
    assert refused.get_json()["errors"][0]["parameter"] == "If-Match"
    assert client.get(path).get_json()["state"] == "starting"
    now = client.get(path).headers["ETag"]
    assert client.post(f"{path}/cancel", headers={"If-Match": f'"x", {now}'}).status_code == 202
    assert client.post(f"{path}/cancel", headers={"If-Match": "*"}).status_code == 202


def test_a_retry_is_a_new_run_that_names_the_old(client: FlaskClient, study: int) -> None:
    old = client.get(f"{RUNS}/1").get_json()
    key = {"Idempotency-Key": "again"}
    first, again = (client.post(f"{RUNS}/1/retry", headers=key) for _ in range(2))
    new = first.get_json()
    assert (first.status_code, first.headers["Location"]) == (202, f"{RUNS}/{new['id']}")
    assert again.get_json() == new
    assert (new["retry_of"], new["state"], new["study_id"], new["spec"]) == (1, "queued", None, old["spec"])
    assert client.get(f"{RUNS}?filter=retry_of:1").get_json()["items"] == [new]
    assert client.post(f"{RUNS}/2/retry", headers=key).status_code == 422
    waiting = client.post(f"{RUNS}/{new['id']}/retry")
    assert (waiting.status_code, waiting.get_json()["code"]) == (409, "conflict")
    assert client.post(f"{RUNS}/999/retry").status_code == 404
    assert client.post(f"{RUNS}/1/retry", headers={"If-Match": '"x"'}).status_code == 412


@ONE_STORE
def test_what_the_server_runs_no_more_is_not_retried(client: FlaskClient, store: Store) -> None:
    store.create_run(RunSpec(protocol="swap_cache", cpus=64))
    store.cancel_run(1)
    refused = client.post(f"{RUNS}/1/retry")
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "#/cpus")


SPECS = [
    RunSpec(protocol="has_cache"),
    RunSpec(protocol="swap_cache", cpus=3, seconds=0.25, seed=7, hz=1000, lockdep=True, lock="sem", cluster_slots=64),
    RunSpec(protocol="swap_cache", device=DeviceSpec(kind="disk", read_ns=80_001, queue_depth=4)),
    RunSpec(
        protocol="swap_cache", scenario="mix", mix={"load": 3, "reclaim": 1}, memcg=MemcgSpec(version=1, limit_pages=64)
    ),
    RunSpec(protocol="swap_cache", scenario="trace", trace="cc1"),
    RunSpec(
        protocol="unsynchronized",
        executor="cooperative",
        cooperative=CooperativeSpec(scheduler="replay", schedule="0001", operations_per_cpu=2),
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
@ONE_STORE
def test_both_commands_of_a_run_ask_for_the_very_same(client: FlaskClient, store: Store, spec: RunSpec) -> None:
    store.create_run(spec)
    told = client.get(f"{RUNS}/1/reproducer").get_json()
    words = shlex.split(told["cli"])
    assert words[:2] == ["swaprace", "run"]
    context = run_command.make_context("run", words[2:])
    protocol, seed = context.params.pop("protocol"), context.params.pop("seed")
    assert build_spec(protocol, context.params, seed=seed) == spec
    body = shlex.split(told["curl"])[-1]
    assert json.loads(body) == told["spec"]
    if spec.executor == "processes":
        queued = client.post(RUNS, json=told["spec"])
        assert RunSpec.model_validate(queued.get_json()["spec"]) == spec, queued.get_json()


@ONE_STORE
def test_what_no_option_says_has_no_command(client: FlaskClient) -> None:
    spec = RunSpec(protocol="swap_cache", driver="external")
    assert options_of(spec) is None
    assert shortest(spec) == {"protocol": "swap_cache", "seed": 1, "driver": "external"}


@ONE_STORE
def test_a_broken_law_comes_with_its_replay(client: FlaskClient, store: Store) -> None:
    store.create_run(RunSpec(protocol="unsynchronized", executor="cooperative", cpus=3))
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    store.finish(claim.token, made_outcome(violations=[broken_law().model_copy(update={"schedule": "00010203"})]))
    (replay,) = client.get(f"{RUNS}/1/reproducer").get_json()["replays"]
    assert replay["law"] == "P1"
    assert "--schedule 00010203" in replay["cli"]
    assert replay["spec"]["cooperative"] == {"scheduler": "replay", "schedule": "00010203"}


@ONE_STORE
def test_the_command_of_a_run_runs(client: FlaskClient, store: Store, tmp_path: Any, core: None) -> None:
    store.create_run(RunSpec(protocol="swap_cache", seconds=0.1, seed=5, cpus=2))
    words = shlex.split(client.get(f"{RUNS}/1/reproducer").get_json()["cli"])
    done = CliRunner().invoke(run_command, [*words[2:], "--json", "--db", str(tmp_path / "again.db")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["spec"] == store.get_run(1).spec.model_dump(mode="json")


def test_baselines_are_made_found_compared_against_and_forgotten(client: FlaskClient, study: int) -> None:
    arm = client.post(BASELINES, json={"name": "v6.18", "note": "before", "study": study, "arm": "old"})
    assert (arm.status_code, arm.headers["Location"]) == (201, f"{BASELINES}/v6.18")
    assert (len(arm.get_json()["runs"]), arm.get_json()["protocols"]) == (8, ["has_cache"])
    listed = client.post(BASELINES, json={"name": "two", "runs": [2, 3]})
    assert listed.get_json()["runs"] == [2, 3]
    assert [each["name"] for each in client.get(BASELINES).get_json()["items"]] == ["two", "v6.18"]
    assert client.get(f"{BASELINES}/v6.18").get_json() == arm.get_json()
    made = client.post("/api/v1/comparisons", json={"against": "v6.18", "study": study, "candidate": "new"})
    assert (made.status_code, made.get_json()["baseline"]) == (201, "v6.18")
    assert made.get_json()["baseline_runs"] == arm.get_json()["runs"]
    assert made.get_json()["result"]["metrics"]["throughput_ops_s"]["verdict"] == "improved"
    overlap = client.post("/api/v1/comparisons", json={"against": "two", "candidate_runs": [3, 6]})
    assert (overlap.status_code, "are: 3" in overlap.get_json()["detail"]) == (409, True)
    tag = client.get(f"{BASELINES}/two").headers["ETag"]
    assert client.delete(f"{BASELINES}/two", headers={"If-Match": '"x"'}).status_code == 412
    assert client.delete(f"{BASELINES}/two", headers={"If-Match": tag}).status_code == 204
    assert client.delete(f"{BASELINES}/two").status_code == 404
    assert client.get(f"{RUNS}/2").status_code == 200


@ONE_STORE
def test_what_is_no_baseline(client: FlaskClient, study: int) -> None:
    client.post(BASELINES, json={"name": "taken", "runs": [1]})
    waiting = made(client, {})["id"]
    for body, status in (
        ({"name": "taken", "runs": [2]}, 409),
        ({"name": "a", "runs": [waiting]}, 409),
        ({"name": "a", "runs": [999]}, 404),
        ({"name": "a", "study": study, "arm": "none"}, 404),
        ({"name": "a"}, 422),
        ({"name": "a", "runs": [1, 1]}, 422),
        ({"name": "a", "runs": [1], "study": study, "arm": "old"}, 422),
        ({"name": "a b", "runs": [1]}, 422),
    ):
        assert client.post(BASELINES, json=body).status_code == status, body
    for asked in ({"against": "taken"}, {"against": "taken", "candidate_runs": [2], "baseline_runs": [3]}):
        assert client.post("/api/v1/comparisons", json=asked).status_code == 422
    assert client.post("/api/v1/comparisons", json={"against": "no", "candidate_runs": [2]}).status_code == 404


def test_hosts_come_from_what_was_measured(client: FlaskClient, study: int) -> None:
    (host,) = client.get("/api/v1/hosts").get_json()["items"]
    assert (host["name"], host["runs"], host["environment"]["kernel"]) == ("lab", 16, "6.1.0")
    assert host["first_seen"] < host["last_seen"]
    assert client.get("/api/v1/hosts/lab").get_json() == host
    assert client.get("/api/v1/hosts/none").status_code == 404


@ONE_STORE
def test_a_histogram_for_plotters(client: FlaskClient, study: int) -> None:
    answer = client.get(f"{RUNS}/1/histograms/swap_in?format=hgrm")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    rows = [
        line.split()
        for line in answer.get_data(as_text=True).splitlines()
        if line[:1] == " " and line.split()[0][0].isdigit()
    ]
    assert int(rows[-1][2]) == 100_000
    (deviation,) = re.findall(r"StdDeviation *= *([0-9.]+)", answer.get_data(as_text=True))
    assert 0.1 < float(deviation) < 10
    by_share = {float(row[1]): float(row[0]) for row in rows}
    found = client.get(f"{RUNS}/1/histograms/swap_in").get_json()
    assert by_share[1.0] == pytest.approx(found["max_ns"] / 1e3, rel=0.002)
    assert min(by_share.values()) == pytest.approx(found["upper_ns"][0] / 1e3, rel=0.002)
    assert HdrHistogram(1, 2, 3).get_total_count() == 0  # the package that its readers use is there
    assert client.get(f"{RUNS}/1/histograms/swap_in?format=xml").status_code == 422


def test_filters_and_sorts_of_lists(client: FlaskClient, study: int) -> None:
    fast = client.get(f"{RUNS}?filter=arm:new p99_ns<9us&sort=-p99_ns&limit=2").get_json()
    assert [run["arm"] for run in fast["items"]] == ["new", "new"]
    rest = client.get(
        f"{RUNS}?filter=arm:new p99_ns<9us&sort=-p99_ns&limit=200&cursor={fast['next_cursor']}"
    ).get_json()
    figures = [run["metrics"]["p99_ns"] for run in fast["items"] + rest["items"]]
    assert figures == sorted(figures, reverse=True)
    assert len(figures) == 8
    other = client.get(f"{RUNS}?sort=p99_ns&cursor={fast['next_cursor']}")
    assert (other.status_code, other.get_json()["errors"][0]["parameter"]) == (422, "cursor")
    wrong = client.get(f"{RUNS}?filter=cpus>many&sort=nothing").get_json()
    assert {fault["parameter"]: fault["detail"][:8] for fault in wrong["errors"]} == {
        "filter": "column 6",
        "sort": "column 1",
    }
    assert client.get("/api/v1/studies?filter=name:demo").get_json()["items"][0]["id"] == study
    assert client.get("/api/v1/comparisons?filter=baseline:old").get_json()["items"] == []


@ONE_STORE
def test_is_the_service_ready(app: APIFlask, client: FlaskClient) -> None:
    service: Service = app.extensions[EXTENSION]
    no = client.get("/readyz")
    assert (no.status_code, no.get_json()["code"]) == (503, "not_ready")
    assert "No dispatcher" in no.get_json()["detail"]
    service.readiness.dispatcher_lives = lambda: True
    assert client.get("/readyz").get_json() == {"status": "ready"}


@ONE_STORE
def test_the_schema_of_a_spec(client: FlaskClient) -> None:
    schema = client.get("/api/v1/schema").get_json()
    check = validator_for(schema)
    assert check.is_valid({"protocol": "swap_cache", "cpus": 2})
    assert not check.is_valid({"protocol": "swap_cache", "cpus": 0})
    assert not check.is_valid({"protocol": "swap_cache", "unknown": 1})


@ONE_STORE
def test_starts_of_a_run(client: FlaskClient, study: int) -> None:
    (attempt,) = client.get(f"{RUNS}/1/attempts").get_json()["items"]
    assert (attempt["number"], attempt["status"], attempt["seed"]) == (1, "succeeded", 1)
