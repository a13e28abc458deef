"""The log: an object a line, with the request and the run that it belongs to, and nothing secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from server.auth.tokens import new_text
from server.config import Settings
from server.dispatcher import Dispatcher
from server.logs import belonging_to, configure
from server.store import Store
from workers.spec import RunSpec

RUNS = "/api/v1/runs"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def log(settings: Settings) -> Iterator[io.StringIO]:
    """What is logged in this test; the loggers are as before afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("swaprace")
    before = (list(root.handlers), root.level, ours.level)
    stream = io.StringIO()
    configure(settings.model_copy(update={"log_format": "json"}), stream)
    yield stream
    root.handlers, root.level = before[0], before[1]
    ours.setLevel(before[2])


def lines(log: io.StringIO) -> list[dict[str, object]]:
    """Every line, each of which is an object."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_request(client: FlaskClient, log: io.StringIO) -> None:
    answer = client.post(RUNS, json={"protocol": "swap_cache"}, headers={"X-Request-Id": "mine-0123"})
    assert answer.headers["X-Request-Id"] == "mine-0123"
    (line,) = lines(log)
    assert line.pop("ms") is not None
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "request",
        "request_id": "mine-0123",
        "logger": "swaprace.http",
        "level": "info",
        "method": "POST",
        "path": RUNS,
        "status": 202,
        "who": "loopback",
        "remote": "127.0.0.1",
    }


@pytest.mark.parametrize("asked", ["short", "a" * 65, 'injected"here', "new\\nline", "ü" * 10, ""])
def test_an_id_that_cannot_be_used_is_replaced(client: FlaskClient, log: io.StringIO, asked: str) -> None:
    answer = client.get("/version", headers={"X-Request-Id": asked.encode().decode("latin-1")})
    given = answer.headers["X-Request-Id"]
    assert given != asked
    assert [line["request_id"] for line in lines(log)] == [given]
    assert client.get("/version").headers["X-Request-Id"] != given


def test_nothing_secret(client: FlaskClient, log: io.StringIO, store: Store) -> None:
    text = new_text()
    store.create_token("bot", "run", text)
    client.get(RUNS, headers={"Authorization": f"Bearer {text}"})
    client.get(f"{RUNS}?cursor={text}")
    client.post(RUNS, json={"protocol": text})
    logged = lines(log)
    assert [line["status"] for line in logged] == [200, 422, 422]
    assert logged[0]["who"] == "token:bot"
    assert text not in log.getvalue()


def test_an_error_of_ours_has_its_traceback_and_its_request(
    client: FlaskClient, log: io.StringIO, store: Store
) -> None:
    with store.db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE comparisons RENAME TO comparisons_away")
    answer = client.get("/api/v1/comparisons")
    error = next(line for line in lines(log) if line["level"] == "error")
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert "no such table" in str(error["exception"])


def test_lines_of_others_are_objects_too(log: io.StringIO) -> None:
    with belonging_to(run_id=7, attempt="abc"):
        logging.getLogger("gunicorn.error").warning("a %s", "word")
    logging.getLogger("swaprace.x").info("after")
    first, second = lines(log)
    assert (first["event"], first["run_id"], first["attempt"]) == ("a word", 7, "abc")
    assert "run_id" not in second


def test_text_for_people(settings: Settings, log: io.StringIO) -> None:
    stream = io.StringIO()
    configure(settings.model_copy(update={"log_format": "console"}), stream)
    logging.getLogger("swaprace.x").warning("a word", extra={"run_id": 7})
    assert "a word" in stream.getvalue()
    assert "run_id=7" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.usefixtures("core")
def test_what_a_supervisor_writes_is_logged_with_its_run(
    settings: Settings, store: Store, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sitecustomize = 'import sys\nif "--journal" in sys.argv:\n    sys.stderr.write("a word of the supervisor\\n")\n'
    (tmp_path / "sitecustomize.py").write_text(sitecustomize)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = store.create_run(RunSpec(protocol="swap_cache", seconds=0.1))
    Dispatcher(store, settings).run_until(lambda: not store.is_waiting())
    assert store.get_run(run.id).state == "succeeded"
    (line,) = [line for line in lines(log) if line["event"] == "a word of the supervisor"]
    attempt = store.attempts_of(run.id)[-1].token
    assert (line["run_id"], line["attempt"], line["logger"]) == (run.id, attempt, "swaprace.supervisor")
