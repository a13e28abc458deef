"""`swaprace study` as a user has it: dry, measured, interrupted, resumed, changed; and the same matrix by the API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from server.config import Settings
from server.store import open_store
from tests.api.conftest import app, client, core  # noqa: F401 - the fixtures of the API

FILE = """\
name = "quick"
repeats = 2

[matrix]
protocol = ["has_cache", "swap_cache"]
hz = [100, 1000]

[spec]
scenario = "usemem"
cpus = 1
seconds = 0.05
"""
DEADLINE_SECONDS = 120


@pytest.fixture
def settings(tmp_path: Path, empty_sqlite: Path) -> Settings:
    (tmp_path / "results.db").write_bytes(empty_sqlite.read_bytes())
    return Settings(database=str(tmp_path / "results.db"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(FILE)
    return path


def command(settings: Settings, file: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "server.cli", "study", str(file), "--db", settings.database, *words]


def study(settings: Settings, file: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(command(settings, file, *words), capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("core")
def test_a_study_from_its_file_to_its_table(settings: Settings, file: Path) -> None:
    code, out, _ = study(settings, file, "--dry-run", "--json")
    dry = json.loads(out)
    assert (code, len(dry["runs"]), dry["places"]) == (0, 8, 1)
    assert dry["estimated_seconds"] > 8 * 0.05

    process = subprocess.Popen(command(settings, file), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    store = open_store(settings.database_url)
    until = time.monotonic() + DEADLINE_SECONDS
    while not any(run.state == "succeeded" for run in store.list_runs(limit=20)[0]):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 130
    assert f"to go on: swaprace study {file}" in told
    states = store.get_study(1).states
    assert states["cancelled"] > 0
    assert not states.keys() & {"queued", "starting", "running"}

    code, out, err = study(settings, file, "--json", "--allow-regression")
    body: dict[str, Any] = json.loads(out)
    assert f"{states['cancelled']} of them queued now" in err
    assert (code, body["study"], body["states"]["succeeded"]) == (0, 1, 8), err
    assert [cell["cell"] for cell in body["cells"]] == ["hz-100", "hz-1000"]
    for cell in body["cells"]:
        first, second = cell["arms"]
        assert (first["protocol"], first["comparison"], first["figures"]["runs"]) == ("has_cache", None, 2)
        assert second["comparable"], second["reason"]
        assert set(second["metrics"]) == {"throughput_ops_s", "p50_ns", "p99_ns", "p999_ns"}
    assert store.study_runs(1)[0].seed == 1
    comparisons = len(store.list_comparisons()[0])

    code, out, _ = study(settings, file, "--allow-regression")
    assert (code, len(store.list_comparisons()[0])) == (0, comparisons)
    assert "hz 1000" in out
    file.write_text(FILE.replace("[100, 1000]", "[100, 250]"))
    code, _, err = study(settings, file)
    assert code == 2
    assert "has changed since study 1 was begun from it: matrix.hz; give --new" in err
    store.close()


def test_a_broken_file_is_a_usage_error(settings: Settings, file: Path) -> None:
    file.write_text(FILE.replace("cpus = 1", "cpus = 0"))
    code, out, err = study(settings, file)
    assert (code, out) == (2, "")
    assert f"{file}:10: spec.cpus: cpus = 0: Input should be greater than or equal to 1" in err
    code, _, err = study(settings, file.with_name("none.toml"))
    assert code == 2
    assert "cannot be read" in err


def test_an_engine_that_is_not_there_is_told(settings: Settings, file: Path) -> None:
    code, _, err = study(settings, file, "--dry-run", "--placer", "ray=here")
    assert code == 1
    assert "there is no placer 'ray=here'; give local, dask=ADDRESS" in err
    if not any((Path(folder) / "srun").exists() for folder in os.environ["PATH"].split(":")):
        code, _, err = study(settings, file, "--dry-run", "--placer", "slurm")
        assert code == 1
        assert "cannot use slurm" in err


def test_the_api_takes_the_same_matrix(client: FlaskClient) -> None:  # noqa: F811
    body = {
        "name": "m",
        "repeats": 3,
        "spec": {"cpus": 1},
        "matrix": {"protocol": ["has_cache", "swap_cache"], "hz": [100, 250]},
    }
    answer = client.post("/api/v1/studies", json=body)
    assert answer.status_code == 202, answer.get_json()
    made = answer.get_json()
    assert (made["runs"], [arm["cell"] for arm in made["arms"]]) == (12, ["hz-100", "hz-100", "hz-250", "hz-250"])
    wrong = client.post("/api/v1/studies", json={**body, "matrix": {"protocol": ["swap_cache"], "hz": [100, 99]}})
    assert wrong.status_code == 422
    assert wrong.get_json()["errors"][0]["pointer"] == "#/matrix/hz"
    both = client.post("/api/v1/studies", json={**body, "arms": [{"name": "a", "spec": {"protocol": "swap_cache"}}]})
    assert "either 'arms' or 'matrix'" in both.get_json()["errors"][0]["detail"]
    beside = {"arms": [{"name": "a", "spec": {"protocol": "swap_cache"}}], "exclude": []}
    assert "exclude belong to a matrix" in client.post("/api/v1/studies", json=beside).get_json()["errors"][0]["detail"]
