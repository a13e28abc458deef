"""The timeline of a replay: every step that the execution took, what each changed, and where it stands in the code."""

from __future__ import annotations

from typing import Any

import pytest

from workers.executors.cooperative import explore
from workers.executors.symbols import demangled
from workers.spec import RunSpec
from workers.timeline import MAX_STEPS, Timeline


def spec(**changes: Any) -> RunSpec:
    given = {"protocol": "unsynchronized", "executor": "cooperative", "cpus": 2, "seed": 3, **changes}
    return RunSpec.model_validate(given)


def played(asked: RunSpec) -> dict[str, Any]:
    return explore(asked, lambda: False, lambda _: None)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The findings of some hundred schedules."""
    return played(spec(cooperative={"schedules": 2_000}))


@pytest.fixture(scope="module")
def replayed(found: dict[str, Any]) -> dict[str, Any]:
    """The replay of the first of them."""
    schedule = found["violations"][0]["schedule"]
    return played(spec(cooperative={"scheduler": "replay", "schedule": schedule}))


@pytest.fixture(scope="module")
def timeline(replayed: dict[str, Any]) -> Timeline:
    return Timeline.model_validate(replayed["timeline"])


def test_only_a_replay_keeps_its_steps(found: dict[str, Any]) -> None:
    assert "timeline" not in found


def test_the_steps_are_those_of_the_execution(replayed: dict[str, Any], timeline: Timeline) -> None:
    lines = [line.split() for line in replayed["trace"]]
    assert len(lines) == replayed["steps"] == len(timeline.steps)
    assert [(line[1], line[2], line[3]) for line in lines] == [
        (str(step.at_ns), f"cpu{step.cpu}", step.kind) for step in timeline.steps
    ]


def test_steps_say_where_they_stand(timeline: Timeline) -> None:
    places = {place for step in timeline.steps for place in step.where}
    assert "workers/operations/fault.pyx:access_page" in places
    assert any(place.startswith("workers/protocols/swap_cache.pyx:SwapCache.") for place in places)
    named = [step for step in timeline.steps if step.kind not in ("start", "end")]
    assert sum(bool(step.where) for step in named) == len(named)
    assert not [place for place in places if place.startswith("workers/executors/")]


def test_locks_are_named_and_alternate(timeline: Timeline) -> None:
    held: dict[str, int] = {}
    seen = 0
    for step in timeline.steps:
        if step.object is None or not step.object.lock:
            continue
        if step.kind == "acquire":
            assert step.object.name not in held, "a lock has one holder"
            held[step.object.name] = step.cpu
            seen += 1
        elif step.kind == "release":
            assert held.pop(step.object.name, step.cpu) == step.cpu
    assert seen > 20
    assert held == {}


def test_changes_lead_from_the_first_state_to_the_last(timeline: Timeline) -> None:
    states = {slot.slot: slot for slot in timeline.slots}
    changes = 0
    for step in timeline.steps:
        for slot in step.slots:
            assert slot.slot in states, "whatever changes has a state before the first step"
            states[slot.slot] = slot
            changes += 1
    assert changes >= 4
    doubled = [step for step in timeline.steps if any(slot.word == "pfn" for slot in step.slots)]
    assert len({step.slots[0].value for step in doubled}) > 1, "two folios came to the slots"


def test_a_change_belongs_to_the_step_that_made_it(timeline: Timeline) -> None:
    """A table word that a step declares and that changes there is that step's own."""
    for step in timeline.steps:
        for slot in step.slots:
            if slot.word == "pfn" and step.object is not None and step.object.type == "swap table":
                assert step.object.slot == slot.slot
    writers = {
        step.where[0].partition(":")[2] for step in timeline.steps if any(slot.word == "pfn" for slot in step.slots)
    }
    assert "folio_enters_cache" in writers


def test_the_finding_stands_beside_it_and_a_second_replay_is_equal(
    replayed: dict[str, Any], timeline: Timeline, found: dict[str, Any]
) -> None:
    assert found["violations"][0]["law"] in [finding.law for finding in timeline.findings]
    schedule = found["violations"][0]["schedule"]
    again = played(spec(cooperative={"scheduler": "replay", "schedule": schedule}))
    assert again["timeline"] == replayed["timeline"]


def test_a_long_replay_keeps_its_last_steps() -> None:
    found = played(spec(cooperative={"schedules": 5, "operations_per_cpu": 60}))
    schedule = found["violations"][0]["schedule"]
    long = played(spec(cooperative={"scheduler": "replay", "schedule": schedule, "operations_per_cpu": 60}))
    told = Timeline.model_validate(long["timeline"])
    assert long["steps"] > MAX_STEPS
    assert len(told.steps) == MAX_STEPS
    assert told.left_out_before == long["steps"] - MAX_STEPS
    assert str(told.steps[0].at_ns) == long["trace"][told.left_out_before].split()[1]
    known = {slot.slot for slot in told.slots}
    assert {slot.slot for step in told.steps for slot in step.slots} <= known


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("__pyx_f_7workers_2mm_10swap_state_swap_cache_add_folio", "workers/mm/swap_state.pyx:swap_cache_add_folio"),
        (
            "__pyx_f_7workers_9protocols_9has_cache_8HasCache_swap_in.isra.0",
            "workers/protocols/has_cache.pyx:HasCache.swap_in",
        ),
        ("main", None),
        ("__pyx_f_", None),
    ],
)
def test_names_of_cython_are_read(name: str, place: str | None) -> None:
    assert demangled(name) == place
