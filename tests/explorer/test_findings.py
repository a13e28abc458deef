"""Of many schedules that show the same breach, the shortest is the one to keep."""

from __future__ import annotations

from workers.executors.findings import LONGEST_RECORDING, Findings
from workers.outcome import Violation
from workers.spec import RunSpec


def test_the_shortest_schedule_is_kept_and_all_are_counted() -> None:
    findings = Findings()
    findings.add("C4", "mirror", "long", 2, "00" * 30, "schedule 5 of seed 1")
    findings.add("C4", "mirror", "short", 1, "00" * 20, "schedule 9 of seed 1")
    findings.add("C4", "mirror", "as short", 4, "01" * 20, "schedule 11 of seed 1")
    findings.add("L2", "waiters", "deadlock", 1, "02" * 9, "schedule 12 of seed 1")
    assert len(findings) == 2
    first, second = (Violation(**violation) for violation in findings.violations())
    assert first.law == "C4"
    assert first.count == 7
    assert first.schedule == "00" * 20
    assert first.detail == "short (schedule 9 of seed 1)"
    assert second.law == "L2"


def test_a_schedule_that_no_spec_takes_is_named_only() -> None:
    findings = Findings()
    findings.add("L2", "waiters", "no progress", 1, "00" * (LONGEST_RECORDING + 1), "schedule 3 of seed 7")
    (violation,) = findings.violations()
    assert violation["schedule"] is None
    assert "schedule 3 of seed 7; its 100001 choices are more than a replay takes" in violation["detail"]


def test_the_longest_schedule_is_one_that_a_spec_takes() -> None:
    RunSpec.model_validate(
        {
            "protocol": "swap_cache",
            "executor": "cooperative",
            "cooperative": {"scheduler": "replay", "schedule": "00" * LONGEST_RECORDING},
        }
    )


def test_before_any_schedule_there_is_nothing_to_replay() -> None:
    findings = Findings()
    findings.add("Q15", "content", "stale", 1, None, "before any schedule")
    assert findings.violations()[0]["schedule"] is None
