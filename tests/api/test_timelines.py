"""A run's timeline: kept with its outcome, answered as it was told, and no such thing where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from server.processes import myself  # noqa: E402
from tests.database.outcomes import made_outcome  # noqa: E402
from tests.timelines.made import two_faults  # noqa: E402
from workers.spec import RunSpec  # noqa: E402
from workers.timeline import Timeline  # noqa: E402


def finished(store: Any, **outcome: Any) -> int:
    run = store.create_run(RunSpec(protocol="swap_cache", timeline=True))
    claim = store.claim(myself(), lease_seconds=15)
    assert claim.run_id == run.id
    store.mark_running(claim.token)
    store.finish(claim.token, made_outcome().model_copy(update=outcome))
    return int(run.id)


def test_a_timeline_comes_back_as_it_was_told(client: Any, store: Any) -> None:
    run_id = finished(store, timeline=two_faults())
    answer = client.get(f"/api/v1/runs/{run_id}/timeline")
    assert answer.status_code == 200
    assert Timeline.model_validate(answer.json) == two_faults()
    assert store.has_timeline(run_id)
    assert [(entry.run_id, entry.source, entry.steps) for entry in store.list_timelines()] == [(run_id, "replay", 14)]


def test_a_run_without_one_says_so(client: Any, store: Any) -> None:
    run_id = finished(store)
    answer = client.get(f"/api/v1/runs/{run_id}/timeline")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert f"of run {run_id}" in answer.json["detail"]
    assert client.get("/api/v1/runs/999/timeline").status_code == 404
    assert not store.has_timeline(run_id)
