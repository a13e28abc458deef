"""A figure by number of CPUs, a line an arm: both axes logarithmic, as the CPUs double and the figures follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.charts.svg import Drawing, Form, Frame, Scale, decades, spread

HEIGHT = 330
SAME = 1.5  # an axis shows this ratio at least


@dataclass(frozen=True)
class Growth:
    """One arm: a figure by CPUs, None where there is none. `arm` gives colour and dashes, 0 to 5."""

    name: str
    points: Sequence[tuple[int, float | None]]
    arm: int

    @property
    def known(self) -> list[tuple[int, float]]:
        """The points that have a figure above 0: a logarithmic axis has no other."""
        return [(cpus, value) for cpus, value in self.points if value]


def draw_growth(lines: Sequence[Growth], title: str, told: Callable[[float], str], form: Form) -> Drawing:
    """`told` writes a figure with its unit."""
    drawing = Drawing(form, _spoken(lines, title, told), height=HEIGHT)
    names = max([drawing.width_of(line.name, scale=1.2) for line in lines], default=0)
    frame = Frame(84, 14, form.width - names - 24, HEIGHT - 48)
    all_cpus = sorted({cpus for line in lines for cpus, _ in line.points})
    values = [value for line in lines for _, value in line.known] or [1.0]
    x = Scale(all_cpus[0], max(all_cpus[-1], all_cpus[0] * SAME), frame.left, frame.right, log=True)
    low, high = min(values), max(values)
    y = Scale(low / SAME, high * SAME, frame.bottom, frame.top, log=True)
    for at in _marks(y):
        drawing.line(frame.left, y(at), frame.right, y(at), "grid")
        drawing.text(frame.left - 8, y(at) + 5, told(at), "tick", "end")
    _cpu_axis(drawing, frame, x, all_cpus)
    ends = []
    for line in lines:
        drawing.path([(x(cpus), y(value)) for cpus, value in line.known], f"curve thin arm-{line.arm}")
        for cpus, value in line.known:
            drawing.marker(line.arm, x(cpus), y(value), size=4, hint=f"{line.name}, {cpus} CPUs: {told(value)}")
        if line.known:
            cpus, value = line.known[-1]
            ends.append((line, x(cpus), y(value)))
    places = spread([height for _, _, height in ends], form.font * 1.3)
    for (line, right, _), place in zip(ends, places, strict=True):
        drawing.text(right + 10, place + 5, line.name, f"name small arm-{line.arm}")
    return drawing


def _cpu_axis(drawing: Drawing, frame: Frame, x: Scale, all_cpus: Sequence[int]) -> None:
    right = -math.inf
    for cpus in all_cpus:
        if x(cpus) - right < drawing.width_of("0000"):
            continue
        right = x(cpus)
        drawing.line(right, frame.top, right, frame.bottom, "grid")
        drawing.text(right, frame.bottom + 20, str(cpus), "tick", "middle")
    drawing.text(frame.right, frame.bottom + 40, "CPUs", "axis", "end")


def _marks(y: Scale) -> list[float]:
    """Powers of ten on the axis; with less than two of them, 1, 2 and 5 times those."""
    tens = [at for at in decades(y.low, y.high) if y.holds(at)]
    if len(tens) > 1:
        return tens
    power = 10.0 ** math.floor(math.log10(y.low))
    return [at for at in (power * step for step in (1, 2, 5, 10, 20, 50, 100)) if y.holds(at)]


def _spoken(lines: Sequence[Growth], title: str, told: Callable[[float], str]) -> str:
    parts = [f"{line.name} " + ", ".join(f"{told(v)} at {n} CPUs" for n, v in line.known) for line in lines]
    return f"{title}: {'; '.join(parts)}"
