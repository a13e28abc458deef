"""Following a run: every state and sample once, in order, also across streams; and no more streams than may be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.api.common import EXTENSION, Service
from server.events import Seen, events_after
from server.processes import myself
from server.store import Store
from tests.database.outcomes import made_outcome
from workers.spec import RunSpec

SPEC = RunSpec(protocol="swap_cache")
ONE_STORE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # what is about no SQL


class Heard(NamedTuple):
    """One event as a client reads it."""

    id: str
    kind: str
    data: dict[str, Any]


def heard(text: str) -> list[Heard]:
    """The events of a stream, comments and the retry time aside."""
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            events.append(Heard(lines["id"], lines["event"], json.loads(lines["data"])))
    return events


def follow(client: FlaskClient, run_id: int, last: str | None = None) -> list[Heard]:
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = client.get(f"/api/v1/runs/{run_id}/events", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    return heard(answer.get_data(as_text=True))


def a_life(store: Store, samples: int = 3) -> int:
    """A run from the queue to its end."""
    run = store.create_run(SPEC)
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    for second in range(1, samples + 1):
        store.add_sample(claim.token, second, {"operations": second})
    store.finish(claim.token, made_outcome())
    return run.id


def test_a_whole_life(client: FlaskClient, store: Store) -> None:
    run_id = a_life(store)
    events = follow(client, run_id)
    told = [event.data["state"] if event.kind == "state" else event.data["at_ns"] for event in events]
    assert told == ["queued", "starting", "running", 1, 2, 3, "succeeded"]
    assert [event.data["finished"] for event in events if event.kind == "state"] == [False, False, False, True]
    assert events[-1].data["state_reason"]["code"] == "done"
    over = client.get(f"/api/v1/runs/{run_id}/events", headers={"Last-Event-ID": events[-1].id})
    assert (over.status_code, over.get_data()) == (204, b"")


@ONE_STORE
def test_whoever_comes_back_misses_nothing_and_hears_nothing_twice(client: FlaskClient, store: Store) -> None:
    run_id = a_life(store)
    events = follow(client, run_id)
    for i, event in enumerate(events[:-1]):
        assert follow(client, run_id, event.id) == events[i + 1 :]


@ONE_STORE
def test_a_run_that_waits_is_followed_for_a_time(client: FlaskClient, store: Store) -> None:
    run = store.create_run(SPEC)
    (queued,) = follow(client, run.id)
    assert (queued.data["state"], queued.data["run"]) == ("queued", run.id)
    assert follow(client, run.id, queued.id) == []
    store.cancel_run(run.id)
    assert [event.data["state"] for event in follow(client, run.id, queued.id)] == ["cancelled"]


STEPS: dict[str, Callable[[Store, list[str]], object]] = {
    "claim": lambda store, tokens: tokens.extend(
        claim.token for claim in [store.claim(myself(), lease_seconds=15)] if claim is not None
    ),
    "run": lambda store, tokens: store.mark_running(tokens[-1]),
    "requeue": lambda store, tokens: store.requeue(tokens[-1]),
    "sample": lambda store, tokens: store.add_sample(tokens[-1], 1 + len(tokens) * 100, {"operations": 1}),
    "cancel": lambda store, _tokens: store.cancel_study(1),
    "finish": lambda store, tokens: store.finish(tokens[-1], made_outcome()),
}


@ONE_STORE
def test_a_listener_ends_up_in_the_state_of_the_table(store: Store) -> None:
    """Whatever happens between two looks, also claims that come to nothing."""

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), max_size=14))
    def search(steps: list[tuple[str, bool]]) -> None:
        run = store.create_run(SPEC)
        tokens: list[str] = []
        seen, states, samples = Seen(), list[str](), list[int]()
        for name, looks in [*steps, ("claim", True)]:
            if name == "cancel":
                store.cancel_run(run.id) if store.get_run(run.id).state in ("queued", "starting", "running") else None
            elif name == "claim" or tokens:
                STEPS[name](store, tokens)
            for event in events_after(store, run.id, seen) if looks else []:
                seen = event.seen
                if event.kind == "state":
                    states.append(event.data["state"])
                else:
                    samples.append(event.data["at_ns"])
        assert states[-1] == store.get_run(run.id).state
        assert len(samples) == len(set(samples))
        if tokens:
            store.give_up(tokens[-1], "failed", "over", "Make room.")

    search()


@ONE_STORE
def test_what_cannot_be_followed(client: FlaskClient, store: Store) -> None:
    assert client.get("/api/v1/runs/1/events").status_code == 404
    store.create_run(SPEC)
    for last in ("x", "1.9.1", "1.2", "-1.1.1", "1.1." + "9" * 19):
        refused = client.get("/api/v1/runs/1/events", headers={"Last-Event-ID": last})
        assert (refused.status_code, refused.get_json()["errors"][0]["parameter"]) == (422, "Last-Event-ID"), last


@ONE_STORE
def test_streams_take_less_than_half_of_the_threads(app: APIFlask, client: FlaskClient, store: Store) -> None:
    service: Service = app.extensions[EXTENSION]
    store.create_run(SPEC)
    assert service.streams.most == service.settings.threads // 2 - 1
    held = [service.streams.one() for _ in range(service.streams.most)]
    for each in held:
        each.__enter__()
    refused = client.get("/api/v1/runs/1/events")
    assert (refused.status_code, refused.get_json()["code"]) == (503, "too_many_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/api/v1/runs/1").status_code == 200
    held.pop().__exit__(None, None, None)
    assert follow(client, 1)
    assert follow(client, 1)  # the first has given its stream back
    for each in held:
        each.__exit__(None, None, None)


@ONE_STORE
def test_a_server_that_stops_ends_its_streams(app: APIFlask, client: FlaskClient, store: Store) -> None:
    service: Service = app.extensions[EXTENSION]
    store.create_run(SPEC)
    service.streams.is_stopping = lambda: True
    listener = threading.Thread(target=follow, args=[client, 1])
    listener.start()
    listener.join(20)
    assert not listener.is_alive()
