"""The contract of the self-check, one test for each of its rows; and the table itself."""

from __future__ import annotations

import json
import re

import pytest

from workers import selfcheck
from workers.catalogue import PROTOCOLS
from workers.executors.script import Machine, Played, Unsound, small_spec
from workers.selfcheck import CHECKS, Check
from workers.workloads.script import OPERATIONS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_protocol_keeps_it(protocol: str, executor: str, check: Check) -> None:
    assert selfcheck.check_one(check, protocol, executor) == ""


def test_it_covers_every_operation() -> None:
    covered = {step[0] for check in CHECKS for script in (check.before, *check.race.values()) for step in script}
    assert covered == set(OPERATIONS)


def test_a_wrong_expectation_is_told(executor: str) -> None:
    wrong = Check("wrong", {0: [("mm_init", 0)]}, {0: [-11]})
    assert selfcheck.check_one(wrong, "swap_cache", executor) == "the steps of cpu 0 returned [0], not [-11]"


def test_the_unsound_are_seen_to_break_and_the_sound_are_not(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert selfcheck.row_of_unsound("unsynchronized", executor).good
    monkeypatch.setitem(selfcheck.BREAKS_WITHIN, executor, 3)
    row = selfcheck.row_of_unsound("swap_cache", executor)
    assert not row.good
    assert row.detail == "3 races, and no law broken"


def test_the_table_and_its_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(selfcheck, "CHECKS", CHECKS[:1])
    assert selfcheck.main(["--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["protocol"], row["executor"]) for row in rows} == {
        (name, executor) for name in PROTOCOLS for executor in selfcheck.EXECUTORS
    }
    assert all(row["good"] for row in rows)
    monkeypatch.setattr(selfcheck, "CHECKS", (Check("wrong", {0: [("mm_init", 0)]}, {0: [-11]}),))
    assert selfcheck.main([]) == 1
    assert re.search(r"has_cache +processes +FAIL +wrong\n    the steps of cpu 0 returned", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (("jump", 0), r"no operation 'jump'; there are: attach, cold, dontneed, exit"),
        (("load", 0), r"load takes mm, page, end"),
        (("swapoff", 1), r"device is 1; it must lie between 0 and 0"),
        (("load", 4, 0), r"mm is 4; it must lie between 0 and 3"),
        (("load", 0, 8), r"page is 8; it must lie between 0 and 7"),
        (("fork", 0, -1), r"child is -1; it must lie between 0 and 3"),
        (("inject", "charge", 1_000_001), r"ppm is 1000001; it must lie between 0 and 1000000"),
    ],
)
def test_a_step_that_cannot_be_is_refused(step: tuple[str | int, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Machine(small_spec("swap_cache", "cooperative")).play({0: [step]})


def test_a_cpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="a script for cpu 3: there are CPUs 0 to 2"):
        Machine(small_spec("swap_cache", "cooperative")).play({3: []})


def test_unsound_says_what_is_wrong() -> None:
    violation = {"law": "Q1", "sentence": "", "detail": "slot 3 has 2", "count": 4}
    played = Played({0: [0, None]}, "completed", [violation], {}, None)
    assert not played.sound
    assert str(Unsound(played)) == "completed; results {0: [0, None]}\nQ1: slot 3 has 2 (4 times)"
