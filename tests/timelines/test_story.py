"""What a timeline says beyond its steps: spans, states, and the drawing of the lanes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from server.timeline.lanes import NARROW_LANES, WIDE_LANES, draw_lanes, step_words, window_around
from server.timeline.story import Span, Story, slot_of_entry
from tests.timelines.made import two_faults
from workers.timeline import Finding, Step, Timeline


@pytest.fixture
def story() -> Story:
    return Story(two_faults())


def spans(story: Story, kind: str, cpu: int) -> list[tuple[str, int, int]]:
    """Counted as people count, from 1."""
    return [(s.label, s.first + 1, s.last + 1) for s in story.spans if s.kind == kind and s.cpu == cpu]


def test_a_lock_is_held_from_its_acquire_to_its_release(story: Story) -> None:
    assert ("cluster lock 0", 3, 5) in spans(story, "hold", 0)
    assert ("cluster lock 0", 6, 7) in spans(story, "hold", 1)


def test_a_lock_that_is_never_released_is_held_to_the_end_and_a_trylock_without_release_is_not(story: Story) -> None:
    last = [span for span in story.spans if span.kind == "hold" and span.first == 13]
    assert [(span.label, span.last, span.open) for span in last] == [("cluster lock 0", 13, True)]
    assert not [span for span in story.spans if span.label == "page table lock 0"]


def test_a_folio_is_held_by_its_owner_and_passes_from_one_to_the_other(story: Story) -> None:
    assert ("folio 8", 4, 10) in spans(story, "hold", 0)
    assert ("folio 8", 10, 14) in spans(story, "hold", 1)


def test_waits_begin_with_the_step_before_and_name_what_is_waited_for(story: Story) -> None:
    assert spans(story, "wait", 1) == [("cluster lock 0", 2, 6), ("folio lock", 8, 11)]
    assert spans(story, "sleep", 0) == [("tick sleep", 10, 13)]


def test_holds_that_overlap_lie_on_each_other(story: Story) -> None:
    levels = {span.label: span.level for span in story.spans if span.cpu == 0 and span.kind == "hold"}
    assert levels == {"cluster lock 0": 0, "folio 8": 1}


def test_a_trace_has_durations_instead() -> None:
    steps = [Step(at_ns=at, cpu=0, kind="swap_in") for at in (0, 100, 200)]
    steps.append(Step(at_ns=4_000_150, cpu=0, kind="tick_sleep", duration_ns=4_000_000, cause="tick_sleep"))
    timeline = Timeline(source="trace", protocol="x", scenario="y", hz=250, cpus=["cpu0"], steps=steps, ending="")
    assert Story(timeline).spans == [Span(0, "sleep", "tick sleep", 2, 3)]


def test_states_are_those_after_a_step(story: Story) -> None:
    before, after = story.slot_at("0:1", 2), story.slot_at("0:1", 3)
    assert before is not None
    assert after is not None
    assert (before.word, after.word, after.value) == ("shadow", "pfn", 8)
    assert [folio.locked_by for folio in story.folios_at(2)] == [None]
    assert [folio.locked_by for folio in story.folios_at(12)] == ["cpu1"]
    assert [state.word for _, state in story.slot_story("0:1")] == ["shadow", "pfn"]


def test_one_goes_from_one_step_of_a_slot_to_the_next(story: Story) -> None:
    assert story.next_change("0:1", 0, forward=True) == 3
    assert story.next_change("0:1", 3, forward=True) == 7
    assert story.next_change("0:1", 7, forward=True) is None
    assert story.next_change("0:1", 7, forward=False) == 3


def test_the_slot_of_a_finding_comes_first() -> None:
    timeline = two_faults()
    other = timeline.slots[0].model_copy(update={"slot": "0:9"})
    steps = [*timeline.steps[:8], timeline.steps[8].model_copy(update={"slots": [other]}), *timeline.steps[9:]]
    blamed = Finding(law="C13", sentence="x", detail="entry 0x9 (0xb, 0x22)")
    told = Story(timeline.model_copy(update={"steps": steps, "findings": [blamed]}))
    assert told.slots == ["0:9", "0:1"]
    assert Story(timeline).slots == ["0:1"]
    assert slot_of_entry((1 << 58) | 77) == "1:77"


@pytest.mark.parametrize("form", [WIDE_LANES, NARROW_LANES])
@pytest.mark.parametrize("at", [0, 5, 13])
def test_the_lanes_are_drawn_and_every_step_leads_to_itself(story: Story, form: object, at: int) -> None:
    text = draw_lanes(story, "0:1", at, form, "/t?step={}&slot=0:1").inline()  # type: ignore[arg-type]
    root = ElementTree.fromstring(text)
    links = [str(element.get("href")) for element in root.iter("a")]
    window = window_around(at, len(story.steps), form)  # type: ignore[arg-type]
    assert sorted(links) == sorted(f"/t?step={n}&slot=0:1" for n in range(window.first + 1, window.last + 2))
    assert window.first <= at <= window.last
    widths = [float(element.get("width", 1)) for element in root.iter("rect")]
    assert min(widths) > 0
    assert re.search(rf"Step {at + 1}: cpu\d", root.get("aria-label", ""))


def test_a_step_in_words(story: Story) -> None:
    assert step_words(story.steps[5]) == "acquire cluster lock 0, after a wait"
    assert step_words(story.steps[10]) == "park (folio lock), after a wait"
