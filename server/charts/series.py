"""Figures over time: lines, each named where it ends, and a strip of cells with a row a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.charts.svg import Drawing, Form, Frame, Scale, decades, spread

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
HEIGHT = 250
CELL = 16  # height of a row of the strip, in px


@dataclass(frozen=True)
class Line:
    """A figure by time in s; None where there is none, which parts the line. `arm` gives its colour, 0 or 1."""

    name: str
    points: Sequence[tuple[float, float | None]]
    arm: int = 0

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest point that has a figure."""
        return next(((t, value) for t, value in reversed(self.points) if value is not None), None)


def rounded_up(most: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is not below `most`; 1 for 0."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in STEPS if step * power >= most * 0.999)


def draw_lines(
    lines: Sequence[Line], title: str, told: Callable[[float], str], form: Form, *, log: bool = False
) -> Drawing:
    """Lines over the seconds of a run. `told` writes a figure with its unit; a linear axis starts at 0."""
    drawing = Drawing(form, f"{title}: {_spoken(lines, told)}", height=HEIGHT)
    names = max([drawing.width_of(line.name, scale=1.2) for line in lines], default=0)
    frame = Frame(74, 14, form.width - names - 24, HEIGHT - 34)
    values = [value for line in lines for _, value in line.points if value is not None and (value > 0 or not log)]
    x = Scale(0.0, max([t for line in lines for t, _ in line.points], default=1.0) or 1.0, frame.left, frame.right)
    y = _scale(values, frame, log)
    for at in _marks(y):
        drawing.line(frame.left, y(at), frame.right, y(at), "grid")
        drawing.text(frame.left - 8, y(at) + 5, told(at), "tick", "end")
    _time_axis(drawing, frame, x)
    ends: list[tuple[Line, float, float]] = []
    for line in lines:
        for part in _parts(line.points):
            drawing.path([(x(t), y(value)) for t, value in part], f"curve thin arm-{line.arm}")
        if line.last is not None:
            seconds, value = line.last
            hint = f"{line.name}: {told(value)} at {seconds:.0f} s"
            drawing.marker(line.arm, x(seconds), y(value), size=4, hint=hint)
            ends.append((line, x(seconds), y(value)))
    places = spread([height for _, _, height in ends], form.font * 1.3)
    for (line, right, _), place in zip(ends, places, strict=True):
        drawing.text(right + 10, place + 5, line.name, f"name small arm-{line.arm}")
    return drawing


def draw_strip(rows: Sequence[Sequence[float]], seconds: Sequence[float], title: str, form: Form) -> Drawing:
    """A row a CPU, a cell a sample: the fuller, the more of the busiest cell's rate. `rows` holds rates, oldest first.

    `seconds` are the times of the samples.
    """
    most = max([rate for row in rows for rate in row], default=0.0) or 1.0
    frame = Frame(74, 6, form.width - 16, 6 + CELL * len(rows))
    drawing = Drawing(form, title, height=round(frame.bottom + 32))
    columns = len(seconds)
    width = (frame.right - frame.left) / max(columns, 1)
    labelled = max(1, math.ceil(len(rows) / 16))
    for cpu, row in enumerate(rows):
        top = frame.top + cpu * CELL
        if cpu % labelled == 0:
            drawing.text(frame.left - 8, top + CELL - 4, f"CPU {cpu}", "tick", "end")
        for column, rate in enumerate(row):
            drawing.add(
                "rect",
                x=round(frame.left + column * width, 1),
                y=top + 1,
                width=round(max(width - 0.6, 0.6), 1),
                height=CELL - 2,
                class_="cell",
                fill_opacity=f"{0.06 + 0.94 * rate / most:.2f}",
            )
    if columns:
        for place in sorted({0, columns - 1}):
            anchor = "start" if place == 0 else "end"
            left = frame.left if place == 0 else frame.right
            drawing.text(left, frame.bottom + 20, f"{seconds[place]:.0f} s", "tick", anchor)
    return drawing


def _scale(values: Sequence[float], frame: Frame, log: bool) -> Scale:
    if not log:
        return Scale(0.0, rounded_up(max(values, default=1.0)), frame.bottom, frame.top)
    low, high = min(values, default=1e3), max(values, default=1e6)
    floor, ceiling = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high * 1.001))
    return Scale(floor, ceiling, frame.bottom, frame.top, log=True)


def _marks(y: Scale) -> list[float]:
    if y.log:
        return decades(y.low, y.high)
    parts = 4 if (y.high / 4) / 10 ** math.floor(math.log10(y.high / 4)) in (1.0, 2.5, 5.0) else 5
    return [y.high * part / parts for part in range(parts + 1)]


def _time_axis(drawing: Drawing, frame: Frame, x: Scale) -> None:
    step = rounded_up(x.high / (4 if drawing.form.narrow else 8))
    at = 0.0
    while at <= x.high * 1.001:
        drawing.line(x(at), frame.bottom, x(at), frame.bottom + 5, "base")
        drawing.text(x(at), frame.bottom + 22, f"{at:g} s", "tick", "middle")
        at += step
    drawing.line(frame.left, frame.bottom, frame.right, frame.bottom, "base")


def _parts(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Runs of neighbouring points that have a figure."""
    parts: list[list[tuple[float, float]]] = [[]]
    for t, value in points:
        if value is None:
            parts.append([])
        else:
            parts[-1].append((t, value))
    return [part for part in parts if part]


def _spoken(lines: Sequence[Line], told: Callable[[float], str]) -> str:
    return "; ".join(f"{line.name} {told(line.last[1])}" if line.last else f"{line.name} none yet" for line in lines)
