"""Explorations, findings and replays over REST."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from server.exploring import replays
from server.processes import myself
from server.store import Store
from tests.explorations.made import DIAGRAM, TOKEN, made_exploration, made_finding, made_spec
from tests.timelines.made import two_faults
from workers.exploration import Replayed
from workers.explorer.token import Token
from workers.races import RACES, Race

URL = "/api/v1/explorations"
ASKED = {"protocol": "swap_cache_as_posted", "scenario": "memcg_exit"}
A_TOKEN = Token("swap_cache", RACES["memcg_exit"], "law", "Q11", bytes(8) + b"\1\0", 1, b"1234", b"5678")


@pytest.fixture
def found(store: Store) -> int:
    """An exploration that has found one thing."""
    begun = store.begin_exploration(made_spec(), myself(), lease_seconds=5)
    store.finish_exploration(begun.id, made_exploration(made_finding()))
    return begun.id


def test_an_exploration_is_queued_and_cancelled(client: FlaskClient) -> None:
    made = client.post(URL, json={**ASKED, "strategy": "pct", "depth": 3, "seconds": 2.5})
    assert made.status_code == 202
    body = made.get_json()
    assert made.headers["Location"] == f"{URL}/{body['id']}"
    assert (body["state"], body["strategy"], body["spec"]["depth"]) == ("queued", "pct", 3)
    assert client.get(made.headers["Location"]).get_json() == body
    cancelled = client.post(f"{made.headers['Location']}/cancel")
    assert (cancelled.status_code, cancelled.get_json()["state"]) == (202, "cancelled")
    stale = client.post(f"{made.headers['Location']}/cancel", headers={"If-Match": '"other"'})
    assert stale.status_code == 412


def test_a_key_makes_one(client: FlaskClient) -> None:
    first = client.post(URL, json=ASKED, headers={"Idempotency-Key": "k"})
    again = client.post(URL, json=ASKED, headers={"Idempotency-Key": "k"})
    other = client.post(URL, json={**ASKED, "seed": 2}, headers={"Idempotency-Key": "k"})
    assert (first.get_json()["id"], other.status_code) == (again.get_json()["id"], 422)


@pytest.mark.parametrize(
    ("changed", "pointer", "words"),
    [
        ({"protocol": "swapcache"}, "#/protocol", "did you mean swap_cache"),
        ({"protocol": "/tmp/mine.pyx:Mine"}, "#/protocol", "command line only"),
        ({"scenario": "thread_fault"}, "#/scenario", "workload of run and compare"),
        ({"scenario": "memcg_exits"}, "#/scenario", "did you mean memcg_exit?"),
        ({"seconds": 80_000}, "#/seconds", "up to 3600 s"),
        ({"jobs": 9}, "#/jobs", "up to 8 processes"),
        ({"seed": "1"}, "#/seed", "integer"),
        ({"depth": 2, "strategy": "random"}, "#", "belongs to strategy pct"),
        ({"nonsense": 1}, "#/nonsense", "not permitted"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_wrong_is_pointed_at(client: FlaskClient, changed: dict[str, object], pointer: str, words: str) -> None:
    answer = client.post(URL, json={**ASKED, **changed})
    faults = answer.get_json()["errors"]
    assert answer.status_code == 422
    assert [(fault["pointer"], words in fault["detail"]) for fault in faults] == [(pointer, True)], faults


def test_lists_are_filtered_and_paged(client: FlaskClient, found: int) -> None:
    others = [client.post(URL, json={**ASKED, "seed": seed}).get_json()["id"] for seed in range(3)]
    page = client.get(f"{URL}?limit=2").get_json()
    rest = client.get(f"{URL}?limit=2&cursor={page['next_cursor']}").get_json()
    assert [item["id"] for item in (*page["items"], *rest["items"])] == [*reversed(others), found]
    only = client.get(f"{URL}?filter=law:Q11").get_json()["items"]
    assert only == [client.get(f"{URL}/{found}").get_json()]
    assert client.get(f"{URL}?filter=cpus:3").status_code == 422
    csv = client.get("/api/v1/exports/findings?filter=state:found").text.splitlines()
    assert csv[0].startswith("exploration_id,created_at,protocol")
    assert csv[1].endswith(TOKEN)
    assert len(client.get("/api/v1/exports/explorations?format=json").get_json()) == 4


def test_a_finding_comes_in_the_form_that_is_accepted(client: FlaskClient, found: int) -> None:
    url = f"{URL}/{found}/findings/1"
    body = client.get(url).get_json()
    assert (body["diagram"], body["token"], body["has_timeline"]) == (DIAGRAM, TOKEN, True)
    assert {name: body[name] for name in ("exploration", "protocol", "scenario")} == {"exploration": found, **ASKED}
    text = client.get(url, headers={"Accept": "text/plain"})
    assert text.mimetype == "text/plain"
    assert "\n".join(DIAGRAM) in text.text
    assert text.text.endswith(f"\nswaprace replay {TOKEN}\n")
    markdown = client.get(url, headers={"Accept": "text/markdown"})
    assert markdown.mimetype == "text/markdown"
    assert "```\n" + "\n".join(DIAGRAM) + "\n```" in markdown.text
    assert client.get(f"{url}?format=text").text == text.text
    assert client.get(f"{url}/timeline").get_json() == two_faults().model_dump(mode="json")
    assert client.get(f"{URL}/{found}/findings/2").status_code == 404
    assert client.get(f"{URL}/{found}/findings/2/timeline").status_code == 404
    assert client.get(f"{URL}/99/findings/1").status_code == 404


def test_races_are_listed_with_their_steps(client: FlaskClient) -> None:
    items = {item["name"]: item for item in client.get("/api/v1/races").get_json()["items"]}
    assert items.keys() == RACES.keys()
    assert items["fault_fault"]["steps"] == [["load(0, 0)"], ["load(0, 0)"]]
    assert items["fault_fault"]["before"] == ["mm_init(0)", "store(0, 0)", "pageout(0, 0)"]
    assert items["fault_fault"]["cpus"] == 2


def test_a_replay_is_kept(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Replayed(status="same", sentence="Q11 is broken again.", law="Q11", timeline=two_faults())
    monkeypatch.setattr(sys.modules["server.api.replays"], "played", lambda _token, _seconds: said)
    made = client.post("/api/v1/replays", json={"token": A_TOKEN.encode()}, headers={"Idempotency-Key": "r"})
    assert made.status_code == 201, made.text
    body = made.get_json()
    assert (body["verdict"]["status"], body["timeline"]["source"]) == ("same", "replay")
    assert client.get(made.headers["Location"]).get_json() == body
    again = client.post("/api/v1/replays", json={"token": A_TOKEN.encode()}, headers={"Idempotency-Key": "r"})
    assert again.get_json()["id"] == body["id"]
    assert client.get("/api/v1/replays/99").status_code == 404


def machine(**fields: object) -> Race:
    return replace(RACES["memcg_exit"], fields=fields)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("rubbish", "begins no token"),
        (A_TOKEN.encode()[:-3], "cut off"),
        (replace(A_TOKEN, protocol="/etc/mine.pyx:Mine").encode(), "command line only"),
        (replace(A_TOKEN, protocol="nothing").encode(), "there is no protocol"),
        (replace(A_TOKEN, race=machine(folios=1 << 40)).encode(), "machine cannot be"),
        (replace(A_TOKEN, race=machine(folios=1 << 20, payload_bytes=4096)).encode(), "MiB at most"),
        (replace(A_TOKEN, race=machine(cpus=9)).encode(), "up to 8 CPUs"),
        (replace(A_TOKEN, race=machine(executors=1)).encode(), "machine cannot be"),
        (replace(A_TOKEN, race=machine(scenario="trace", trace="/etc/passwd")).encode(), "paths are refused"),
        (replace(A_TOKEN, race=Race("many", "", (), ((("load", 0, 0),),) * 9)).encode(), "up to 8 CPUs"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_token_that_a_server_does_not_play_is_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, token: str, words: str
) -> None:
    monkeypatch.setattr(replays, "REPLAYER", "nothing.is.started")
    answer = client.post("/api/v1/replays", json={"token": token})
    assert answer.status_code == 422
    assert words in json.dumps(answer.get_json()["errors"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_replay_that_says_nothing_is_told(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "REPLAYER", "tests.nothing.of.that.name")
    answer = client.post("/api/v1/replays", json={"token": A_TOKEN.encode()})
    assert (answer.status_code, answer.get_json()["code"]) == (504, "replay_failed")
