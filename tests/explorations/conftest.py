"""A store and settings for every test, and an explorer that does as the seed says in place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from server.config import Settings  # noqa: E402
from server.exploring import child  # noqa: E402
from server.store import Store  # noqa: E402


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An empty store."""
    store = Store(database)
    yield store
    store.close()


@pytest.fixture
def settings(database: str) -> Settings:
    """Settings with little patience."""
    return Settings(database=database, kill_after_seconds=1, deadline_margin_seconds=1, lease_seconds=5)


@pytest.fixture
def acted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorations are played by tests/explorations/actor.py, which needs no compiled core."""
    monkeypatch.setattr(child, "EXPLORER", "tests.explorations.actor")
