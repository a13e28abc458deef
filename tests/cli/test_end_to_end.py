"""The commands on the compiled core: a race, an A/A, a run that breaks the laws, an interrupt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from server.cli import main
from server.cli.doctor_checks import missing_modules
from server.cli.exits import INTERRUPTED
from server.store import Store, open_store

PATIENCE_SECONDS = 120


@pytest.fixture(autouse=True)
def _core() -> None:
    missing = missing_modules()
    assert not missing, f"the compiled core is not built ({', '.join(missing[:3])}): run `make setup`"


def swaprace(checkout: Path, database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a user starts it, with its output in pipes."""
    command = [sys.executable, "-m", "server.cli", *arguments, "--db", str(database)]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_two_protocols_race(checkout: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ["--scenario", "thread_fault", "--cpus", "4", "--trials", "8", "--seconds", "0.15"]
    done = swaprace(
        checkout, tmp_path / "r.db", "compare", "has_cache", "swap_cache", *arguments, "--json", "--report", str(report)
    )
    body: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode in (0, 3), done.stderr
    assert body["violations"] == []
    assert body["arms"]["has_cache"]["tick_sleeps"] > 0
    assert body["arms"]["swap_cache"]["tick_sleeps"] == 0
    for arm in body["arms"].values():
        assert arm["runs"] == 8
        assert arm["state"] == "valid"
        assert 0 < arm["p50_ns"] <= arm["p99_ns"]
        assert arm["throughput_ops_s"] > 0
    for name, metric in body["metrics"].items():
        assert metric["verdict"] in ("improved", "regressed", "equivalent", "inconclusive"), name
        assert metric["verdict"] == "inconclusive" or (metric["ci"] and metric["p"] is not None)
    assert done.returncode == (3 if "regressed" in {m["verdict"] for m in body["metrics"].values()} else 0)
    assert len(done.stderr.splitlines()) == 16, "a line a run"
    assert "chart-percentiles" in report.read_text()
    store = open_store(f"sqlite:///{tmp_path / 'r.db'}")
    try:
        assert store.get_comparison(body["comparison"]).result["paired"] is True
    finally:
        store.close()


def test_a_run_is_kept_and_shown(checkout: Path, tmp_path: Path) -> None:
    done = swaprace(checkout, tmp_path / "r.db", "run", "swap_cache", "--seconds", "0.1", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["state"] == "succeeded"
    assert body["spec"]["seed"] == 7
    assert body["laws_checked"]
    plain = swaprace(checkout, tmp_path / "r.db", "run", "swap_cache", "--seconds", "0.1")
    assert plain.returncode == 0
    assert "run 2 succeeded" in plain.stdout


def test_a_violated_law_is_exit_code_3(checkout: Path, tmp_path: Path) -> None:
    arguments = ["--executor", "cooperative", "--schedules", "200"]
    done = swaprace(checkout, tmp_path / "r.db", "run", "unsynchronized", *arguments, "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["violations"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_and_leaves_nothing(checkout: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Segments and processes are looked for by the fixture of all tests; here, that no row is left alive."""
    database = tmp_path / "r.db"
    arguments = ["compare", "has_cache", "swap_cache", "--trials", "3", "--seconds", "0.2", "--db", str(database)]
    with subprocess.Popen(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        assert command.stderr is not None
        try:
            assert command.stderr.readline().startswith("run 1 of 6"), "the study is under way"
            os.kill(command.pid, how)
            _, rest = command.communicate(timeout=PATIENCE_SECONDS)
        finally:
            if command.poll() is None:
                os.killpg(command.pid, signal.SIGKILL)
    assert command.returncode == 130, rest
    assert "interrupted" in rest
    assert "Traceback" not in rest
    store = open_store(f"sqlite:///{database}")
    try:
        states = store.get_study(1).states
    finally:
        store.close()
    assert set(states) <= {"succeeded", "cancelled"}
    assert states["cancelled"] >= 1


def test_an_interrupt_right_after_a_claim_leaves_no_run_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has noted the run yet that the database already holds for alive."""
    claim = Store.claim

    def interrupted_claim(*arguments: Any, **named: Any) -> Any:
        claimed = claim(*arguments, **named)
        signal.raise_signal(signal.SIGINT)
        return claimed

    monkeypatch.setattr(Store, "claim", interrupted_claim)
    database = tmp_path / "r.db"
    done = CliRunner().invoke(main, ["run", "swap_cache", "--seconds", "20", "--db", str(database)])
    assert done.exit_code == INTERRUPTED, done.output
    store = open_store(f"sqlite:///{database}")
    try:
        assert store.get_run(1).state == "cancelled"
    finally:
        store.close()


def test_a_recorded_program_is_a_workload(checkout: Path, tmp_path: Path) -> None:
    """What the program prints stays out of the JSON."""
    trace = tmp_path / "echo.swpt"
    command = [sys.executable, "-m", "server.cli", "record", "-o", str(trace), "--json", "--", "echo", "hello"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["references"] > 0
    assert "hello" in done.stderr
    played = swaprace(
        checkout, tmp_path / "r.db", "run", "swap_cache", "--trace", str(trace), "--seconds", "0.1", "--json"
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert json.loads(played.stdout)["spec"]["scenario"] == "trace"
