"""The circumstances of a run, as this machine tells them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from workers import environment


def test_it_tells_this_machine() -> None:
    seen = environment.collect("swap_cache")
    assert json.loads(json.dumps(seen)) == seen
    assert seen["kernel"] == os.uname().release
    assert seen["host"] == os.uname().nodename
    assert seen["cores_usable"] == len(os.sched_getaffinity(0))
    assert len(seen["load_average"]) == 3
    assert set(seen) >= {"git_sha", "git_dirty", "build", "cpu_model", "governor", "clock_source", "tsc_invariant"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    (tmp_path / "file").write_text("one\n", encoding="utf-8")
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_a_checkout_is_clean_until_it_is_changed(repository: Path) -> None:
    clean = environment._revision(repository)
    assert isinstance(clean["git_sha"], str)
    assert len(clean["git_sha"]) == 40
    assert clean["git_dirty"] is False
    (repository / "file").write_text("two\n", encoding="utf-8")
    assert environment._revision(repository) == {**clean, "git_dirty": True}


def test_outside_a_checkout_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment._revision(tmp_path) == {"git_sha": None, "git_dirty": None}


def test_without_git_there_is_no_revision(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert environment._revision(repository) == {"git_sha": None, "git_dirty": None}
