"""A plot of any rows: one column against another, a line or a row of bars for each value of a third."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.charts.svg import Drawing, Form, Frame, Scale, decades, spread

MOST_SERIES = 6  # more lines than that are not told apart
MOST_BARS = 60
BAR = 16


@dataclass(frozen=True)
class Rows:
    """Points by the name of their series; x is a number for lines and any text for bars."""

    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float | str, float]]]
    log_x: bool = False
    log_y: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether every x is a number, so that lines can be drawn."""
        return all(not isinstance(x, str) for points in self.series.values() for x, _ in points)


def draw_rows(rows: Rows, form: Form) -> Drawing:
    """Lines where x is a number, else bars."""
    return _lines(rows, form) if rows.is_numeric else _bars(rows, form)


def number_text(value: float) -> str:
    """A number on an axis: 1,500, 0.25, 2.5e+09."""
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
    return f"{value:.3g}"


def _lines(rows: Rows, form: Form) -> Drawing:
    drawing = Drawing(form, f"{rows.y_label} by {rows.x_label}: {', '.join(rows.series)}", height=form.height * 4 // 5)
    named = len(rows.series) > 1 and not form.narrow
    names = max([drawing.width_of(name, scale=1.2) for name in rows.series], default=0) if named else 0
    frame = Frame(86, 26, form.width - min(names + 22, 280), drawing.height - 50)
    points = [(float(x), y) for line in rows.series.values() for x, y in line]
    x = _scale([x for x, _ in points], frame.left, frame.right, log=rows.log_x, zero=False)
    y = _scale([y for _, y in points], frame.bottom, frame.top, log=rows.log_y, zero=True)
    for at in _marks(y):
        drawing.line(frame.left, y(at), frame.right, y(at), "grid")
        drawing.text(frame.left - 8, y(at) + 5, number_text(at), "tick", "end")
    for at in _marks(x, 4 if form.narrow else 8):
        drawing.line(x(at), frame.bottom, x(at), frame.bottom + 5, "base")
        drawing.text(x(at), frame.bottom + 21, number_text(at), "tick", "middle")
    drawing.line(frame.left, frame.bottom, frame.right, frame.bottom, "base")
    drawing.text((frame.left + frame.right) / 2, frame.bottom + 42, rows.x_label, "axis", "middle")
    drawing.text(4, 15, rows.y_label, "axis")
    ends = []
    for arm, (name, line) in enumerate(rows.series.items()):
        places = [(x(float(at)), y(value)) for at, value in sorted((float(at), value) for at, value in line)]
        drawing.path(places, f"curve thin arm-{arm}")
        for spot, value in line if len(line) <= 60 else ():
            hint = f"{name} {number_text(float(spot))}: {number_text(value)}"
            drawing.marker(arm, x(float(spot)), y(value), size=3.5, hint=hint)
        if places:
            ends.append((arm, name, places[-1]))
    moved = spread([place[1] for _, _, place in ends], form.font * 1.3)
    for (arm, name, place), height in zip(ends, moved, strict=True):
        if named:
            drawing.text(place[0] + 10, height + 5, name, f"name arm-{arm}")
    return drawing


def _bars(rows: Rows, form: Form) -> Drawing:
    labels = list(dict.fromkeys(str(x) for line in rows.series.values() for x, _ in line))[:MOST_BARS]
    values = {name: {str(x): y for x, y in line} for name, line in rows.series.items()}
    row = len(rows.series) * (BAR + 2) + 10
    drawing = Drawing(form, f"{rows.y_label} by {rows.x_label}", height=40 + row * len(labels) + 8)
    width = form.width * (0.4 if form.narrow else 0.3)
    left = min(max([drawing.width_of(label) for label in labels], default=0) + 14, width)
    room = max(int((left - 12) / (form.font * 0.56)), 1)
    x = Scale(
        0.0, max([abs(y) for line in values.values() for y in line.values()], default=1.0) or 1.0, left, form.width - 92
    )
    drawing.text(4, 16, f"{rows.y_label} by {rows.x_label}", "axis")
    for place, label in enumerate(labels):
        top = 34.0 + place * row
        shown = label if len(label) <= room else label[: room - 1] + "…"
        drawing.text(left - 8, top + row / 2 - 1, shown, "label", "end")
        for arm, (name, line) in enumerate(values.items()):
            if label in line:
                y = top + arm * (BAR + 2)
                hint = f"{name} {label}: {number_text(line[label])}"
                end = x(abs(line[label]))
                drawing.add(
                    "rect", hint=hint, x=left, y=y, width=max(end - left, 1.0), height=BAR, class_=f"bar arm-{arm}"
                )
                told = number_text(line[label]) + (f" {name}" if len(values) > 1 and not form.narrow else "")
                drawing.text(end + 6, y + BAR - 3, told, "figure")
    return drawing


def _scale(values: Sequence[float], start: float, end: float, *, log: bool, zero: bool) -> Scale:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if log and low > 0:
        return Scale(
            10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high * 1.0001)), start, end, log=True
        )
    if zero and low > 0:
        low = 0.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Scale(low, high, start, end)


def _marks(scale: Scale, parts: int = 5) -> list[float]:
    if scale.log:
        return decades(scale.low, scale.high)
    step = 10.0 ** math.floor(math.log10((scale.high - scale.low) / parts))
    step *= next(each for each in (1, 2, 2.5, 5, 10) if (scale.high - scale.low) / (step * each) <= parts + 0.01)
    first = math.ceil(scale.low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, math.floor(scale.high / step + 1e-9) + 1)]
