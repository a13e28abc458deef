"""/metrics says what happened, in a text that Prometheus reads, under the names that docs/operation.md lists."""

from __future__ import annotations

import re
from pathlib import Path

from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from server.api.common import EXTENSION, Service
from server.dispatcher import Notice
from server.processes import myself
from server.serve import tell_run
from server.store import Store
from tests.database.outcomes import made_outcome

RUNS = "/api/v1/runs"


def families(client: FlaskClient) -> dict[str, Metric]:
    """Name -> family, of a text that is parsed as Prometheus does."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found: dict[str, Metric], name: str, sample: str | None = None, **labels: str) -> float:
    """The value of the one sample with these labels; 0 where there is none."""
    samples = [each.value for each in found[name].samples if each.name == (sample or name) and each.labels == labels]
    assert len(samples) <= 1
    return samples[0] if samples else 0.0


def test_requests(client: FlaskClient) -> None:
    for _ in range(3):
        client.get(f"{RUNS}/7")
    client.get("/nowhere/at/all?x=1")
    client.get("/nowhere/else")
    client.open(RUNS, method="FROB")
    found = families(client)
    route = f"{RUNS}/<int(max={2**63 - 1}):run_id>"
    total = "swaprace_http_requests_total"
    assert value(found, "swaprace_http_requests", total, method="GET", route=route, status="404") == 3
    assert value(found, "swaprace_http_requests", total, method="GET", route="unknown", status="404") == 2
    assert value(found, "swaprace_http_requests", total, method="unknown", route="unknown", status="405") == 1
    seconds = "swaprace_http_request_seconds"
    assert value(found, seconds, f"{seconds}_count", method="GET", route=route) == 3
    assert 0 < value(found, seconds, f"{seconds}_sum", method="GET", route=route) < 30
    assert value(found, seconds, f"{seconds}_bucket", method="GET", route=route, le="+Inf") == 3


def test_runs_and_the_database(client: FlaskClient, store: Store) -> None:
    for _ in range(3):
        client.post(RUNS, json={"protocol": "swap_cache"})
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    found = families(client)
    assert value(found, "swaprace_runs", state="queued") == 2
    assert value(found, "swaprace_runs", state="running") == 1
    assert value(found, "swaprace_runs", state="lost") == 0
    assert value(found, "swaprace_database_up") == 1
    assert value(found, "swaprace_database_bytes") > 100_000
    store.finish(claim.token, made_outcome())
    service: Service = client.application.extensions[EXTENSION]
    for kind in ("claimed", "running", "finished"):
        tell_run(Notice(kind=kind, run_id=claim.run_id, run=store.get_run(claim.run_id)), service.metrics)
    service.metrics.watch_dispatcher(lambda: True)
    with service.metrics.streaming():
        found = families(client)
    assert value(found, "swaprace_claims", "swaprace_claims_total") == 1
    ended = {"state": "succeeded", "protocol": "swap_cache"}
    assert value(found, "swaprace_runs_ended", "swaprace_runs_ended_total", **ended) == 1
    assert value(found, "swaprace_run_seconds", "swaprace_run_seconds_count", executor="processes") == 1
    assert value(found, "swaprace_dispatcher_up") == 1
    assert value(found, "swaprace_streams") == 1
    assert value(families(client), "swaprace_streams") == 0


def test_a_database_that_is_away_is_told_and_nothing_fails(client: FlaskClient, store: Store) -> None:
    with store.db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE runs RENAME TO runs_away")
    found = families(client)
    assert value(found, "swaprace_database_up") == 0
    assert "swaprace_runs" not in found


def test_every_metric_is_documented(client: FlaskClient) -> None:
    client.get("/healthz")
    found = families(client)
    page = (Path(__file__).resolve().parents[2] / "docs" / "operation.md").read_text()
    documented = dict(re.findall(r"^\| `(swaprace_[a-z_]+)(?:\{[a-z, ]*\})?` \| ([a-z]+) \|", page, re.MULTILINE))
    ours = {name: family.type for name, family in found.items() if name.startswith("swaprace_")}
    counters = {name for name, kind in ours.items() if kind == "counter"}
    assert documented == {f"{name}_total" if name in counters else name: kind for name, kind in ours.items()}
