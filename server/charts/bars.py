"""Horizontal bars in pairs: a group a line, a bar an arm, the figure at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.charts.svg import Drawing, Form, Frame, Scale
from server.charts.words import ns_text

BAR = 15
GAP = 3


@dataclass(frozen=True)
class Group:
    """One line of the plot: its name and a time in ns an arm, None where there is none."""

    label: str
    values_ns: Sequence[float | None]


def draw_bars(groups: Sequence[Group], names: Sequence[str], title: str, form: Form) -> Drawing:
    """Times by cause, the arms side by side. The greatest stands first; what is below a px still has its figure."""
    ordered = sorted(groups, key=lambda group: -max([value or 0.0 for value in group.values_ns], default=0.0))
    row = len(names) * (BAR + GAP) + 14
    head = form.font + 18
    drawing = Drawing(form, _spoken(title, ordered, names), height=round(head + row * max(len(ordered), 1) + 12))
    left = max([drawing.width_of(group.label) for group in ordered], default=40) + 14
    frame = Frame(left, head, form.width - drawing.width_of("000.0 ms") - 10, drawing.height - 12)
    most = max([value or 0.0 for group in ordered for value in group.values_ns], default=0.0) or 1.0
    x = Scale(0.0, most, frame.left, frame.right)
    at = frame.left
    for arm, name in enumerate(names):
        drawing.marker(arm, at + 6, form.font - 3.0)
        drawing.text(at + 18, form.font + 2.0, name, f"name arm-{arm}")
        at += drawing.width_of(name, scale=1.12) + 46
    for place, group in enumerate(ordered):
        top = frame.top + place * row
        drawing.text(frame.left - 10, top + row / 2 - 2, group.label, "label", "end")
        for arm, value in enumerate(group.values_ns):
            y = top + arm * (BAR + GAP)
            if value:
                width = max(x(value) - frame.left, 1.0)
                drawing.add("rect", x=frame.left, y=y, width=width, height=BAR, class_=f"bar arm-{arm}")
            words = "none" if not value else ns_text(value)
            drawing.text(x(value or 0.0) + 6, y + BAR - 3, words, "figure" if value else "figure soft")
    drawing.line(frame.left, frame.top - 4, frame.left, frame.bottom, "base")
    return drawing


def _spoken(title: str, groups: Sequence[Group], names: Sequence[str]) -> str:
    told = []
    for group in groups:
        values = zip(names, group.values_ns, strict=True)
        told.append(f"{group.label}: " + ", ".join(f"{name} {ns_text(ns) if ns else 'none'}" for name, ns in values))
    return f"{title}. {'; '.join(told)}"
