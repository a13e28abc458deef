"""The lanes: a CPU a lane, a step a column, bars above the steps, and the slot's word and count below all."""

from __future__ import annotations

from dataclasses import dataclass

from server.charts.svg import Drawing, Form
from server.charts.words import ns_text
from server.timeline.story import Span, Story
from workers.timeline import SlotState, Step

WIDE_LANES = Form("wide", 1240, 400, 14, False)
NARROW_LANES = Form("narrow", 400, 400, 13, True)
BAR = 19
LEVELS = 3  # holds that are drawn on each other; deeper ones lie on the third
LEFT = 62
GLYPHS = {  # kind of a step -> what stands in its column
    "start": "|",
    "end": "|",
    "acquire": "[",
    "release": "]",
    "trylock": "?",
    "park": "z",
    "tick": "z",
    "busy": "~",
    "tick_sleep": "z",
    "wait": "z",
    "folio_wait": "z",
    "warn": "!",
    "add_folio": "+",
    "del_folio": "-",
    "alloc_slot": "A",
    "free_slot": "F",
    "swap_in": "S",
}


@dataclass(frozen=True)
class Window:
    """The steps that are drawn, `first` to `last`, and the one that is looked at."""

    first: int
    last: int
    at: int


def window_around(at: int, steps: int, form: Form) -> Window:
    """As many steps as fit, with `at` a third from the left where there is room."""
    columns = 15 if form.narrow else 48
    first = max(0, min(at - columns // 3, steps - columns))
    return Window(first, min(steps, first + columns) - 1, at)


def draw_lanes(story: Story, slot: str | None, at: int, form: Form, link: str) -> Drawing:
    """The lanes around step `at` (from 0). `link` is an address with {} for a step, counted from 1."""
    window = window_around(at, len(story.steps), form)
    cpus = story.timeline.cpus
    levels = min(1 + max([span.level for span in story.spans if span.kind == "hold"], default=-1), LEVELS)
    lane = 40 + BAR * (levels + 1)
    height = 30 + lane * len(cpus) + (66 if slot else 0)
    step = story.steps[at]
    drawing = Drawing(form, f"Step {at + 1}: {cpus[step.cpu]} {step_words(step)}", height=height, role="group")
    column = (form.width - LEFT - 6) / max(window.last - window.first + 1, 1)
    now = LEFT + (at - window.first) * column
    drawing.add("rect", x=now, y=0, width=column, height=height, class_="now")
    for place in range(window.first, window.last + 1):
        if (place + 1) % 5 == 0 or place == at:
            kind = "tick now-label" if place == at else "tick"
            drawing.text(LEFT + (place - window.first + 0.5) * column, 14, f"{place + 1}", kind, "middle")
    for cpu, name in enumerate(cpus):
        top = 24.0 + lane * cpu
        drawing.line(0, top, form.width, top, "grid")
        drawing.text(4, top + lane - 14, name, "label lane")
        for span in story.spans:
            if span.cpu == cpu and span.first <= window.last and span.last >= window.first:
                _bar(drawing, span, window, column, top, levels)
        _steps(drawing, story, cpu, window, column, top + lane - 30, link, slot)
    bottom = 24.0 + lane * len(cpus)
    drawing.line(0, bottom, form.width, bottom, "grid")
    if slot:
        _slot_lane(drawing, story, slot, window, column, bottom)
    return drawing


def _bar(drawing: Drawing, span: Span, window: Window, column: float, top: float, levels: int) -> None:
    left = LEFT + (max(span.first, window.first) - window.first + 0.5) * column
    right = LEFT + (min(span.last, window.last) - window.first + 0.5) * column
    if span.first < window.first:
        left -= column / 2
    if span.last > window.last or span.open:
        right += column / 2
    y = top + 5 + BAR * (levels - min(span.level, levels - 1)) if span.kind == "hold" else top + 5
    width = max(right - left, 3.0)
    words = {"hold": f"holds {span.label}", "wait": f"waits for {span.label}", "sleep": f"sleeps: {span.label}"}
    hint = f"{words[span.kind]}, steps {span.first + 1} to {span.last + 1}"
    drawing.add("rect", hint=hint, x=left, y=y, width=width, height=BAR - 3, rx=2, class_=f"span {span.kind}")
    text = span.label if span.kind == "hold" else words[span.kind]
    room = int((width - 8) / (drawing.form.font * 0.85 * 0.56))
    if room >= 4:
        shown = text if len(text) <= room else text[: room - 1] + "…"
        drawing.text(left + 4, y + BAR - 7, shown, f"span-label {span.kind}")


def _steps(
    drawing: Drawing,
    story: Story,
    cpu: int,
    window: Window,
    column: float,
    y: float,
    link: str,
    slot: str | None,
) -> None:
    for place in range(window.first, window.last + 1):
        step = story.steps[place]
        if step.cpu != cpu:
            continue
        x = LEFT + (place - window.first) * column
        changes = " changes" if any(state.slot == slot for state in step.slots) else ""
        if step.object is not None and step.object.slot == slot and slot is not None:
            changes += " concerns"
        drawing.open_link(link.format(place + 1), f"Step {place + 1}")
        hint = f"{place + 1}: {step_words(step)}"
        drawing.add(
            "rect", hint=hint, x=x + 1, y=y, width=column - 2, height=22, rx=2, class_=f"step {step.kind}{changes}"
        )
        drawing.text(x + column / 2, y + 15.5, GLYPHS.get(step.kind, "·"), "glyph", "middle")
        drawing.close_link()


def _slot_lane(drawing: Drawing, story: Story, slot: str, window: Window, column: float, top: float) -> None:
    drawing.text(4, top + 24, "slot", "label lane")
    drawing.text(4, top + 42, slot, "label lane")
    told = story.slot_story(slot)
    for place, (at, state) in enumerate(told):
        until = told[place + 1][0] if place + 1 < len(told) else len(story.steps)
        if until < window.first or at > window.last:
            continue
        left = LEFT + (max(at, window.first - 1) - window.first + 1) * column
        right = LEFT + (min(until, window.last) - window.first + 1) * column
        if right - left < 2:
            continue
        words = slot_words(state)
        drawing.add(
            "rect",
            hint=", ".join(words),
            x=left,
            y=top + 8,
            width=right - left - 1,
            height=46,
            class_=f"word {state.word}",
        )
        room = int((right - left - 10) / (drawing.form.font * 0.56))
        for line, text in enumerate(words[:2]):
            if room >= len(text):
                drawing.text(left + 5, top + 26 + 18 * line, text, "word-label")
            elif room >= 1:
                drawing.text(left + 5, top + 26 + 18 * line, _short(state, line)[:room], "word-label")


def _short(state: SlotState, line: int) -> str:
    """The same in a few characters: the PFN, or the word; the count."""
    if line == 0 and state.word == "uncached":
        return ""
    if line == 0:
        return str(state.value) if state.word == "pfn" and state.value else state.word
    return "" if state.count is None else str(state.count)


def slot_words(state: SlotState) -> list[str]:
    """The word of a slot, its count, and SWAP_HAS_CACHE, as words."""
    word = f"{state.word} {state.value}" if state.value is not None and state.word == "pfn" else state.word
    word = "no folio" if word == "uncached" else word
    told = [word]
    if state.count is not None:
        told.append(f"count {state.count}" + (" + HAS_CACHE" if state.has_cache else ""))
    return told


def step_words(step: Step) -> str:
    """A step as words: acquire cluster lock 0, after a wait."""
    parts = [step.kind.replace("_", " ")]
    if step.object is not None:
        parts.append(step.object.name.removeprefix("slot ") if parts[0].endswith("slot") else step.object.name)
    if step.cause is not None and step.cause != step.kind:
        parts.append(f"({step.cause.replace('_', ' ')})")
    if step.duration_ns is not None:
        parts.append(f"{ns_text(step.duration_ns)} long")
    return " ".join(parts) + (", after a wait" if step.waited else "")
