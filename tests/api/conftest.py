"""An application over a store of its own for every test, and the checkout on the path."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from apiflask import APIFlask  # noqa: E402
from flask.testing import FlaskClient  # noqa: E402

from server import create_app  # noqa: E402
from server.api.common import EXTENSION, Service  # noqa: E402
from server.config import Settings  # noqa: E402
from server.processes import myself  # noqa: E402
from server.schemas import Arm  # noqa: E402
from server.store import Store  # noqa: E402
from tests.database.outcomes import made_outcome  # noqa: E402
from workers.spec import RunSpec  # noqa: E402


@pytest.fixture
def settings(database: str) -> Settings:
    """Settings with a database of their own, small caps and little patience.

    Each test that asks for it runs with every kind of database; one that is about something else and takes long says
    `pytest.mark.parametrize("database", ["sqlite"], indirect=True)`.
    """
    return Settings(
        database=database, max_queue=100, max_cpus=8, max_seconds=60, kill_after_seconds=2, stream_seconds=0.5
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[APIFlask]:
    """The application, without a dispatcher."""
    app = create_app(settings)
    yield app
    app.extensions[EXTENSION].store.close()


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()


@pytest.fixture
def store(app: APIFlask) -> Store:
    """The store of the application."""
    service: Service = app.extensions[EXTENSION]
    return service.store


@pytest.fixture
def study(store: Store) -> int:
    """A finished study of 8 blocks: arm `old` is slower than arm `new`, by a little more from block to block."""
    arms = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]
    study = store.create_study(arms, 8, name="demo")
    for run in store.study_runs(study.id):
        assert run.block is not None
        claim = store.claim(myself(), lease_seconds=15)
        assert claim is not None
        store.mark_running(claim.token)
        store.add_sample(claim.token, 1, {"operations": 1})
        store.finish(claim.token, made_outcome(scale=(1.5 if run.arm == "old" else 1.0) + run.block / 100))
    return study.id


@pytest.fixture
def core() -> None:
    """The compiled core; a test that needs it fails with a word on how to get it."""
    needed = ("shm.layout", "workers.cpu", "workers.executors.program", "workers.__main__")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.fail(f"the core is not built, {', '.join(missing)} is missing: run `make setup`")
