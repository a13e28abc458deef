"""Who is let in, what a token may, and the row that every change leaves."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from server import create_app
from server.api.common import EXTENSION
from server.auth.access import scope_needed
from server.auth.tokens import SCOPES, Scope, new_text
from server.config import Settings
from server.db import DatabaseError, utc_now
from server.serve import RefusedToServe, patiently_made, refuse_without_token
from server.store import Store

RUNS = "/api/v1/runs"
SPEC = {"protocol": "swap_cache"}
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the kind of database is of no matter


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{text}".encode()).decode()}


@pytest.fixture
def asking(settings: Settings) -> Iterator[APIFlask]:
    """An application that asks for a token, on loopback too."""
    app = create_app(settings.model_copy(update={"require_token": True}))
    yield app
    app.extensions[EXTENSION].store.close()


@pytest.fixture
def tokens(store: Store) -> dict[Scope, str]:
    """A token of every scope."""
    made = {scope: new_text() for scope in SCOPES}
    for scope, text in made.items():
        store.create_token(f"the-{scope}", scope, text)
    return made


@on_sqlite
def test_without_a_token(asking: APIFlask) -> None:
    client = asking.test_client()
    for path in (RUNS, "/api/v1/audit", "/metrics", "/openapi.json", "/nowhere", "/"):
        refused = client.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert client.post(RUNS, json=SPEC).status_code == 401
    for path in ("/healthz", "/version"):
        assert client.get(path).status_code == 200


@on_sqlite
@pytest.mark.parametrize("how", [bearer, basic])
def test_what_each_scope_may(asking: APIFlask, tokens: dict[Scope, str], how: object) -> None:
    client = asking.test_client()
    assert callable(how)
    for scope, text in tokens.items():
        level = SCOPES.index(scope)
        assert client.get(RUNS, headers=how(text)).status_code == 200
        assert client.post(RUNS, json=SPEC, headers=how(text)).status_code == (202 if level >= 1 else 403)
        assert client.get("/api/v1/audit", headers=how(text)).status_code == (200 if level >= 2 else 403)


@on_sqlite
@pytest.mark.parametrize(
    "header",
    ["Bearer ", "Bearer x", f"Bearer {new_text()}", "Basic !", "Basic eDp5", "Digest username=x", "Bearer a b", "x"],
    ids=["no text", "short", "unknown", "no base64", "no colon", "digest", "two words", "no scheme"],
)
def test_a_token_that_is_none(client: FlaskClient, asking: APIFlask, header: str) -> None:
    for each in (client, asking.test_client()):
        assert each.get(RUNS, headers={"Authorization": header}).status_code == 401


def test_a_token_that_was_good(client: FlaskClient, asking: APIFlask, store: Store) -> None:
    text, old = new_text(), new_text()
    store.create_token("old", "admin", old, expires_at=utc_now(plus_seconds=-1))
    store.create_token("bot", "run", text, expires_at=utc_now(plus_seconds=60))
    asked = asking.test_client()
    assert asked.get(RUNS, headers=bearer(old)).status_code == 401
    assert asked.get(RUNS, headers=bearer(text)).status_code == 200
    store.revoke_token("bot")
    assert asked.get(RUNS, headers=bearer(text)).status_code == 401
    assert client.get(RUNS, headers=bearer(text)).status_code == 401  # a token that is sent counts, also on loopback
    assert {token.name: token.last_used_at is not None for token in store.list_tokens()} == {"old": False, "bot": True}


def test_the_text_of_a_token_is_nowhere(store: Store, tokens: dict[Scope, str]) -> None:
    with store.db.read() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM tokens").all()
    assert all(text not in str(stored) for text in tokens.values())


@on_sqlite
def test_every_view_that_takes_a_change_needs_more_than_read(app: APIFlask) -> None:
    lax = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        if scope_needed(app.view_functions[rule.endpoint], method) not in ("run", "admin")
    }
    assert {rule for rule, _ in lax} <= {"/api/v1/query", "/api/v1/load-tests/compare"}, (
        "these may be asked with a token that may only look"
    )


@on_sqlite
@pytest.mark.parametrize(("host", "required"), [("0.0.0.0", False), ("192.0.2.1", False), ("127.0.0.1", True)])
def test_an_address_beyond_loopback_needs_a_token(settings: Settings, store: Store, host: str, required: bool) -> None:
    beyond = settings.model_copy(update={"host": host, "require_token": required})
    with pytest.raises(RefusedToServe, match="swaprace token create"):
        refuse_without_token(beyond)
    store.create_token("old", "run", new_text(), expires_at=utc_now(plus_seconds=-1))
    with pytest.raises(RefusedToServe):
        refuse_without_token(beyond)
    store.create_token("bot", "run", new_text())
    refuse_without_token(beyond)
    app = create_app(beyond)
    assert app.test_client().get(RUNS).status_code == 401
    app.extensions[EXTENSION].store.close()


@on_sqlite
def test_names_beyond_loopback(settings: Settings, tokens: dict[Scope, str]) -> None:
    app = create_app(settings.model_copy(update={"host": "192.0.2.1", "hosts": "Lab7.example.org, lab8"}))
    client = app.test_client()
    for host, status in {"lab7.example.org:8000": 200, "LAB8": 200, "192.0.2.1": 200, "lab9": 421}.items():
        assert client.get(RUNS, headers={"Host": host, **bearer(tokens["read"])}).status_code == status
    same = {"Host": "lab8", "Origin": "https://lab8", **bearer(tokens["run"])}  # behind a proxy that speaks TLS
    assert client.post(RUNS, json=SPEC, headers=same).status_code == 202
    app.extensions[EXTENSION].store.close()


def test_every_change_leaves_a_row(client: FlaskClient, asking: APIFlask, tokens: dict[Scope, str]) -> None:
    client.post(RUNS, json=SPEC)
    client.post(f"{RUNS}/1/cancel", headers={"X-Request-Id": "cancel-it-now"})
    client.post(f"{RUNS}/99/cancel")
    client.post(RUNS, json={"protocol": 1})
    client.get(RUNS)
    asked = asking.test_client()
    asked.post(RUNS, json=SPEC, headers=bearer(tokens["run"]))
    asked.post(RUNS, json=SPEC, headers=bearer(tokens["read"]))
    asked.post(RUNS, json=SPEC)
    page = client.get("/api/v1/audit?limit=5").get_json()
    rest = client.get(f"/api/v1/audit?cursor={page['next_cursor']}").get_json()
    rows = [*page["items"], *rest["items"]][::-1]
    assert [(row["who"], row["method"], row["path"], row["status"], row["made"]) for row in rows] == [
        ("loopback", "POST", RUNS, 202, f"{RUNS}/1"),
        ("loopback", "POST", f"{RUNS}/1/cancel", 202, None),
        ("loopback", "POST", f"{RUNS}/99/cancel", 404, None),
        ("loopback", "POST", RUNS, 422, None),
        ("token:the-run", "POST", RUNS, 202, f"{RUNS}/2"),
        ("token:the-read", "POST", RUNS, 403, None),
    ]
    assert {row["remote"] for row in rows} == {"127.0.0.1"}
    assert rows[1]["request_id"] == "cancel-it-now"
    assert page["next_cursor"] is not None
    assert rest["next_cursor"] is None


def test_a_change_that_cannot_be_recorded_is_done_and_logged(
    client: FlaskClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO audit_away")
    assert client.post(RUNS, json=SPEC).status_code == 202
    (record,) = [record for record in caplog.records if record.name == "swaprace.audit"]
    assert record.__dict__["path"] == RUNS


def test_old_rows_are_forgotten(client: FlaskClient, store: Store) -> None:
    client.post(RUNS, json=SPEC)
    assert store.prune_audit(before=utc_now(plus_seconds=-60)) == 0
    assert store.prune_audit(before=utc_now(plus_seconds=60)) == 1
    assert store.list_audit() == ([], None)


@on_sqlite
def test_a_worker_waits_for_a_database_that_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [DatabaseError("gone"), DatabaseError("still gone")]

    def make(_settings: Settings) -> str:
        if errors:
            raise errors.pop(0)
        return "made"

    monkeypatch.setattr("server.serve.make_app", make)
    monkeypatch.setattr("server.serve.DATABASE_AWAY_SECONDS", 0.01)
    made: object = patiently_made(settings)
    assert made == "made"
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for the database: gone",
        "waiting for the database: still gone",
    ]
