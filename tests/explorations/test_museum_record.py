"""The museum's record: played exhibit by exhibit, kept as JSON, written as a page and listed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.exploring.child import CHECKOUT
from server.museum.document import document
from server.museum.record import Record, RecordError, found_by, is_kept, read_record
from tests.explorations import museum_actor
from tests.explorations.made import DIAGRAM, TOKEN, made_exhibit
from workers.exhibits import EXHIBITS

PATIENCE_SECONDS = 30.0
COMMAND = [
    sys.executable,
    "-c",
    "from server.museum import play; play.PLAYER = 'tests.explorations.museum_actor'\n"
    "from server.cli import doctor_checks; doctor_checks.missing_modules = lambda: []\n"
    "from server.cli import main; main()",
    "museum",
]


def museum(*words: str) -> subprocess.CompletedProcess[str]:
    """`swaprace museum WORDS`, whose player is the actor."""
    return subprocess.run(
        [*COMMAND, *words], cwd=CHECKOUT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def visit(out: Path, seeds: int, *words: str) -> subprocess.CompletedProcess[str]:
    return museum("run", "--out", str(out), "--seeds", str(seeds), *words)


def made_record(*numbers: int) -> Record:
    record = Record(made_at="2026-11-23T10:00:00.000000Z", host="lab", cpu_model="a CPU", seconds=60)
    for number in numbers:
        record = record.with_played(made_exhibit(number))
    return record


def test_what_is_promised() -> None:
    told = made_exhibit(26)
    assert is_kept(told)
    assert [name for name, _ in found_by(told)] == ["pct", "pos", "bound"]
    assert not is_kept(made_exhibit(26, found=False))
    assert not is_kept(told.model_copy(update={"fixed_violation": "Q1: broken"}))
    assert not is_kept(told.model_copy(update={"fixed_exhausted": False}))
    assert is_kept(told.model_copy(update={"fixed_exhausted": False, "fixed_schedules": 1_000_000}))
    one = {name: search for name, search in told.searches.items() if name in ("random", "pct")}
    assert not is_kept(told.model_copy(update={"searches": one}))


def test_the_page_has_every_exhibit_and_the_diagram_of_what_was_played() -> None:
    page = document(made_record(26))
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(rows) == len(EXHIBITS)
    row = next(line for line in rows if line.startswith("| [26](#26) |"))
    assert "| Q11 | - | 59 in 250 ms | 59 in 250 ms | 59 in 250 ms | - | 20 of 20 by pct | swap_cache: exhausted" in row
    assert sum("not played" in line for line in rows) == len(EXHIBITS) - 1
    assert "```\n" + "\n".join(DIAGRAM) + "\n```" in page
    assert f"```\nswaprace replay {TOKEN}\n```" in page
    assert f"1 of {len(EXHIBITS)} exhibits are found by two strategies" in page
    assert "It has not been visited yet." in document(None)


def test_the_page_of_this_checkout_is_made_of_its_record(checkout: Path) -> None:
    record, page = read_record(checkout / "docs" / "museum.json"), checkout / "docs" / "museum.md"
    assert page.exists() == (record is not None)
    if record is not None:
        assert page.read_text(encoding="utf-8") == document(record), "swaprace museum run writes both"
        assert {played.number for played in record.played} <= EXHIBITS.keys()


def test_a_visit_keeps_what_it_has_played_and_the_next_goes_on(tmp_path: Path) -> None:
    done = visit(tmp_path, museum_actor.KEEPS, "--only", "26", "--json")
    assert done.returncode == 0, done.stderr
    (exhibit,) = json.loads(done.stdout)["exhibits"]
    assert (exhibit["number"], exhibit["played"]["is_kept"], exhibit["played"]["finding"]["token"]) == (26, True, TOKEN)
    done = visit(tmp_path, museum_actor.MISSES, "--only", "1")
    assert (done.returncode, "not as promised" in done.stderr) == (1, True)
    record = read_record(tmp_path / "museum.json")
    assert record is not None
    assert [played.number for played in record.played] == [1, 26]
    assert (tmp_path / "museum.md").read_text(encoding="utf-8") == document(record)


def test_a_player_that_dies_is_told(tmp_path: Path) -> None:
    done = visit(tmp_path, museum_actor.DIES, "--only", "26")
    assert (done.returncode, "exhibit 26 cannot be played: the museum burns" in done.stderr) == (1, True)
    assert not (tmp_path / "museum.json").exists()


def test_an_interrupted_visit_leaves_no_player(tmp_path: Path) -> None:
    command = [*COMMAND, "run", "--only", "26", "--out", str(tmp_path), "--seeds", str(museum_actor.WAITS)]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        os.read(process.stderr.fileno(), 1 << 16)  # it has said which exhibit it plays
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130


def test_the_list_is_a_table_and_json() -> None:
    done = museum("--only", "26", "--json")
    assert done.returncode == 0
    (exhibit,) = json.loads(done.stdout)["exhibits"]
    assert (exhibit["variant"], exhibit["race"]) == ("swap_cache_as_posted", "memcg_exit")
    table = museum().stdout
    assert all(exhibit.variant[:14] in table for exhibit in EXHIBITS.values())
    assert museum("--only", "999").returncode == 2


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "museum.json").write_text("{}")
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path / "museum.json")
    assert read_record(tmp_path / "other.json") is None
