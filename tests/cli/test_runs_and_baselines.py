"""`runs`, `baseline` and `calibrate`: in a pipe, in words, and what each refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.calibration import floors_of, stolen_ticks
from server.cli import main
from server.compare import Comparison
from server.figures import compare_study
from server.processes import myself
from server.schemas import Arm
from server.store import Store, open_store
from tests.database.outcomes import made_outcome
from workers.spec import RunSpec


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Path]:
    """A database with a finished study of 8 blocks, the new arm half as slow, and a run that waits."""
    path = tmp_path / "results.db"
    store = open_store(f"sqlite:///{path}")
    arms = [Arm(name="old", spec=RunSpec(protocol="has_cache")), Arm(name="new", spec=RunSpec(protocol="swap_cache"))]
    store.create_study(arms, 8)
    while claim := store.claim(myself(), lease_seconds=15):
        store.mark_running(claim.token)
        scale = (1.5 if claim.spec.protocol == "has_cache" else 1.0) + claim.spec.seed / 100
        store.finish(claim.token, made_outcome(scale=scale))
    store.create_run(RunSpec(protocol="swap_cache", scenario="usemem"))
    yield path
    store.close()


def swaprace(db: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--db", str(db)])


def test_runs_as_a_table_csv_and_json(db: Path) -> None:
    table = swaprace(db, "runs", "arm:new", "p99_ns<9us", "--sort", "p99_ns").stdout.splitlines()
    assert len(table) == 1 + 8
    assert table[0].split()[:3] == ["run", "state", "protocol"]
    assert "swap_cache" in table[1]
    rows = list(csv.DictReader(io.StringIO(swaprace(db, "runs", "--csv", "--sort", "id").stdout)))
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 18)]
    assert (rows[0]["protocol"], rows[0]["host"], rows[0]["p50_ns"]) == ("has_cache", "lab", str(1510 * 1.1))
    body = json.loads(swaprace(db, "runs", "state:queued", "--json").stdout)
    assert [(run["id"], run["spec"]["scenario"]) for run in body] == [(17, "usemem")]
    assert json.loads(swaprace(db, "runs", "state:lost", "--json").stdout) == []
    assert len(swaprace(db, "runs", "--csv", "--limit", "3").stdout.splitlines()) == 4


def test_a_wrong_filter_is_pointed_at(db: Path) -> None:
    refused = swaprace(db, "runs", "cpus>=2", "p99_ns<5kg")
    assert refused.exit_code == 2
    line, mark = refused.stderr.splitlines()[-2:]
    assert line == "cpus>=2 p99_ns<5kg"
    assert mark.startswith(" " * line.index("5kg") + "^ 'kg' is no unit here")
    assert swaprace(db, "runs", "--csv", "--json").exit_code == 2
    nothing = swaprace(db, "runs", "state:lost")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no run in" in nothing.stderr


def test_a_baseline_from_its_making_to_its_end(db: Path) -> None:
    assert swaprace(db, "baseline", "create", "v1", "arm:old").stdout == "baseline v1: 8 runs of has_cache\n"
    assert swaprace(db, "baseline", "create", "v1", "arm:old").exit_code == 1
    assert swaprace(db, "baseline", "create", "v2", "state:queued").exit_code == 1
    assert swaprace(db, "baseline", "create", "v2", "state:lost").exit_code == 2
    (listed,) = json.loads(swaprace(db, "baseline", "list", "--json").stdout)
    assert (listed["name"], len(listed["runs"])) == ("v1", 8)
    mail = swaprace(db, "baseline", "compare", "v1", "arm:new")
    assert mail.exit_code == 0, mail.output
    assert "swap_cache against v1" in mail.stdout
    assert max(map(len, mail.stdout.splitlines())) <= 72
    slower = json.loads(swaprace(db, "baseline", "create", "fast", "arm:new", "--json").stdout)
    assert len(slower["runs"]) == 8
    assert swaprace(db, "baseline", "compare", "fast", "arm:old", "--format", "csv").exit_code == 3
    assert swaprace(db, "baseline", "compare", "none", "arm:old").exit_code == 1
    assert swaprace(db, "baseline", "delete", "v1").exit_code == 0
    assert swaprace(db, "baseline", "delete", "v1").exit_code == 1


def test_a_noise_floor_is_the_far_end_of_the_interval(db: Path) -> None:
    store: Store = open_store(f"sqlite:///{db}")
    comparison = Comparison.model_validate(compare_study(store, 1, "old", "new").result)
    store.close()
    for name, floor in floors_of(comparison).items():
        ci = comparison.metrics[name].ci
        assert ci is not None
        assert floor.noise == max(map(abs, ci))
        assert floor.reason is None
        assert floor.spread == max(
            comparison.metrics[name].baseline_spread or 0, comparison.metrics[name].candidate_spread or 0
        )


def test_stolen_time_is_read_from_the_kernel() -> None:
    assert stolen_ticks("cpu  10 1 2 100 5 0 1 7 3 0\ncpu0 1\n") == (7, 126)
    assert stolen_ticks(Path("/proc/stat").read_text())[1] > 0


def test_a_calibration_is_kept_with_the_host(tmp_path: Path) -> None:
    db = tmp_path / "results.db"
    done = swaprace(db, "calibrate", "--trials", "6", "--seconds", "0.1", "--json")
    assert done.exit_code == 0, done.output
    body: dict[str, Any] = json.loads(done.stdout)
    store = open_store(f"sqlite:///{db}")
    (host,) = store.list_hosts()
    store.close()
    assert host.name == body["host"]
    (kept,) = host.calibrations
    assert (kept.id, kept.study_id) == (body["calibration"], body["study"])
    assert kept.result["metrics"] == body["metrics"]
    assert body["metrics"]["throughput_ops_s"]["noise"] > 0
