"""The two plots of a distribution of latencies: by percentile, which looks into the tail, and cumulative.

Latency against 1 / (1 - percentile), both axes logarithmic: each step to the right looks ten times deeper into it.
A swap-in that slept a tick lies between the rulers at 1/HZ and 2/HZ, and a share of such swap-ins is a shelf there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.charts.svg import Drawing, Form, Frame, Scale, decades, spread
from server.charts.words import ns_text, percentile_text

DEEPEST = 10.0  # an axis shows one decade at least
FIRST_TAIL = 1.05  # before it the curve falls to the one fastest swap-in, which says nothing


@dataclass(frozen=True)
class Curve:
    """One arm: latency in ns by `tail` (1 / (1 - percentile)); the band holds the extremes of its single runs.

    `share` of the latencies lies at or below `ecdf_ns`. `tick_sleeps` None: nobody has counted them.
    """

    name: str
    tail: Sequence[float] = ()
    latency_ns: Sequence[float] = ()
    band_tail: Sequence[float] = ()
    low_ns: Sequence[float] = ()
    high_ns: Sequence[float] = ()
    ecdf_ns: Sequence[float] = ()
    share: Sequence[float] = ()
    tick_sleeps: int | None = None
    marks: Sequence[float] = field(default=(2.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6))

    def at(self, tail: float) -> float | None:
        """The latency at one depth of the tail, None beyond the end of the curve."""
        for place, (reached, latency) in enumerate(zip(self.tail, self.latency_ns, strict=True)):
            if reached >= tail * (1 - 1e-9):
                return latency if place == 0 or reached <= tail * 1.1 else None
        return None

    def without_the_fastest(self) -> Curve:
        """The curve from FIRST_TAIL on."""
        first = next((place for place, tail in enumerate(self.tail) if tail >= FIRST_TAIL), len(self.tail))
        band = next((place for place, tail in enumerate(self.band_tail) if tail >= FIRST_TAIL), len(self.band_tail))
        return replace(
            self,
            tail=self.tail[first:],
            latency_ns=self.latency_ns[first:],
            band_tail=self.band_tail[band:],
            low_ns=self.low_ns[band:],
            high_ns=self.high_ns[band:],
        )

    def leaves(self, latency_ns: float) -> tuple[float, float] | None:
        """Where the curve first comes to `latency_ns`: (tail, latency there); None when it never does."""
        pairs = zip(self.tail, self.latency_ns, strict=True)
        return next(((tail, latency) for tail, latency in pairs if latency >= latency_ns), None)


def draw_percentiles(curves: Sequence[Curve], hz: int | None, form: Form) -> Drawing:
    """Latency by percentile, with the rulers of the tick."""
    drawing = Drawing(form, f"Latency by percentile: {_spoken(curves, hz)}")
    curves = [curve.without_the_fastest() for curve in curves]
    shown = [curve for curve in curves if len(curve.tail) > 1]
    frame = _frame(drawing, shown)
    deepest = max([DEEPEST, *(curve.tail[-1] for curve in shown)])
    x = Scale(1.0, deepest, frame.left, frame.right, log=True)
    y = Scale(*_latency_range(curves, hz), frame.bottom, frame.top, log=True)
    _percentile_axis(drawing, frame, x)
    _latency_axis(drawing, frame, y)
    _rulers_across(drawing, frame, y, hz)
    for arm, curve in enumerate(curves):
        edge = [(x(tail), y(ns)) for tail, ns in zip(curve.band_tail, curve.high_ns, strict=True)]
        back = [(x(tail), y(ns)) for tail, ns in zip(curve.band_tail, curve.low_ns, strict=True)]
        drawing.path([*edge, *reversed(back)], f"spread arm-{arm}", closed=True)
    for arm, curve in enumerate(curves):
        drawing.path(
            [(x(tail), y(ns)) for tail, ns in zip(curve.tail, curve.latency_ns, strict=True)], f"curve arm-{arm}"
        )
        for tail in curve.marks:
            latency = curve.at(tail)
            if latency is not None and x.holds(tail):
                drawing.marker(arm, x(tail), y(latency), hint=f"{curve.name}, {_percent(tail)}: {ns_text(latency)}")
    _name_curves(drawing, frame, curves, x, y)
    _tell_shelves(drawing, frame, curves, x, y, hz)
    _readings(drawing, frame, curves, x, deepest)
    return drawing


def draw_ecdf(curves: Sequence[Curve], hz: int | None, form: Form) -> Drawing:
    """The share of the swap-ins that takes at most so long."""
    drawing = Drawing(form, f"Distribution of latencies: {_spoken(curves, hz)}", height=form.height * 4 // 5)
    frame = Frame(56, 30, form.width - 20, drawing.height - 48)
    low, high = _latency_range([Curve(c.name, latency_ns=c.ecdf_ns) for c in curves], hz)
    x = Scale(low, high, frame.left, frame.right, log=True)
    y = Scale(0.0, 1.0, frame.bottom, frame.top)
    for at in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line(frame.left, y(at), frame.right, y(at), "grid")
        drawing.text(frame.left - 8, y(at) + 5, f"{at:.0%}".replace("%", " %"), "tick", "end")
    for at in decades(low, high):
        drawing.line(x(at), frame.top, x(at), frame.bottom, "grid")
        drawing.text(x(at), frame.bottom + 20, ns_text(at, digits=1), "tick", "middle")
    drawing.text((frame.left + frame.right) / 2, frame.bottom + 40, "latency of a swap-in", "axis", "middle")
    if hz:
        tick = 1e9 / hz
        right = min(x(2 * tick), frame.right)
        drawing.add(
            "rect", x=x(tick), y=frame.top, width=right - x(tick), height=frame.bottom - frame.top, class_="shelf"
        )
        drawing.line(x(tick), frame.top, x(tick), frame.bottom, "ruler")
        drawing.text(x(tick), frame.top - 9, f"1/HZ = {ns_text(tick)}", "ruler-label", "middle")
    ends = []
    for arm, curve in enumerate(curves):
        points = [(x(max(ns, low)), y(share)) for ns, share in zip(curve.ecdf_ns, curve.share, strict=True)]
        drawing.path(points, f"curve arm-{arm}")
        middle = next((place for place, share in zip(points, curve.share, strict=True) if share >= 0.5), None)
        if middle is not None:
            ends.append((arm, curve.name, middle))
    places = spread([place[1] for _, _, place in ends], form.font + 4.0)
    for (arm, name, place), at in zip(ends, places, strict=True):
        drawing.marker(arm, *place, hint=f"{name}: half of the swap-ins lie below")
        drawing.text(place[0] + 14, at + 22, name, f"name arm-{arm}")
    return drawing


def _frame(drawing: Drawing, shown: Sequence[Curve]) -> Frame:
    form = drawing.form
    if form.narrow:
        return Frame(58, 16, form.width - 12, drawing.height - 52)
    names = max([drawing.width_of(curve.name, scale=1.25) for curve in shown], default=0)
    sleeps = max([drawing.width_of(_sleeps(curve)) for curve in shown], default=0)
    return Frame(92, 16, form.width - min(max(names, sleeps) + 26, 320), drawing.height - 54)


def _latency_range(curves: Sequence[Curve], hz: int | None) -> tuple[float, float]:
    """From a whole part of a decade below the least to above the greatest, the shelf of the tick within."""
    seen = [ns for curve in curves for ns in (*curve.latency_ns, *curve.low_ns, *curve.high_ns) if ns > 0]
    if hz:
        seen.append(2.4e9 / hz)
    low, high = min(seen, default=1e3), max(seen, default=1e6)
    return 10 ** (math.floor(math.log10(low) * 2) / 2), 10 ** (math.ceil(math.log10(high) * 4 + 0.2) / 4)


def _percentile_axis(drawing: Drawing, frame: Frame, x: Scale) -> None:
    for tail in [2.0, *decades(10.0, max(10.0, x.high))]:
        drawing.line(x(tail), frame.top, x(tail), frame.bottom, "grid")
        drawing.text(x(tail), frame.bottom + 21, percentile_text(tail), "tick", "middle")
    words = (
        "percentile of the swap-ins" if drawing.form.narrow else "percentile of the swap-ins, each step ten times rarer"
    )
    drawing.text((frame.left + frame.right) / 2, frame.bottom + 44, words, "axis", "middle")


def _latency_axis(drawing: Drawing, frame: Frame, y: Scale) -> None:
    for decade in decades(y.low / 10, y.high):
        for step in (1, 2, 5):
            at = decade * step
            if y.holds(at):
                drawing.line(frame.left, y(at), frame.right, y(at), "grid" if step == 1 else "grid fine")
    for at in decades(y.low, y.high):
        drawing.text(frame.left - 9, y(at) + 5, ns_text(at, digits=1), "tick", "end")
    if not drawing.form.narrow:
        middle = (frame.top + frame.bottom) / 2
        drawing.add(
            "text",
            "latency of a swap-in",
            x=0,
            y=0,
            transform=f"translate(16 {middle:.0f}) rotate(-90)",
            class_="axis",
            text_anchor="middle",
        )


def _rulers_across(drawing: Drawing, frame: Frame, y: Scale, hz: int | None) -> None:
    if not hz:
        return
    tick = 1e9 / hz
    top, bottom = y(2 * tick), y(tick)
    drawing.add("rect", x=frame.left, y=top, width=frame.right - frame.left, height=bottom - top, class_="shelf")
    drawing.line(frame.left, bottom, frame.right, bottom, "ruler")
    drawing.line(frame.left, top, frame.right, top, "ruler second")
    drawing.text(frame.left + 8, bottom + 17, f"1/HZ = {ns_text(tick)}, one tick", "ruler-label")
    drawing.text(frame.left + 8, top - 6, f"2/HZ = {ns_text(2 * tick)}", "ruler-label")


def _name_curves(drawing: Drawing, frame: Frame, curves: Sequence[Curve], x: Scale, y: Scale) -> None:
    """Each curve's name where it ends, and its tick sleeps below; on a phone, above the end and to its left."""
    ends = [(arm, curve, x(curve.tail[-1]), y(curve.latency_ns[-1])) for arm, curve in enumerate(curves) if curve.tail]
    lines = 1.4 if drawing.form.narrow else 2.7
    places = spread([at for *_, at in ends], drawing.form.font * lines)
    for (arm, curve, right, at), moved in zip(ends, places, strict=True):
        if drawing.form.narrow:
            above = all(at <= other for *_, other in ends)
            drawing.text(right - 2, at - 12 if above else at + 24, curve.name, f"name arm-{arm}", "end")
        else:
            left = min(right, frame.right) + 12
            drawing.text(left, moved + 4, curve.name, f"name arm-{arm}")
            drawing.text(left, moved + 4 + drawing.form.font * 1.25, _sleeps(curve), "tick")


def _sleeps(curve: Curve) -> str:
    if curve.tick_sleeps is None:
        return ""
    return f"{curve.tick_sleeps:,} tick sleeps" if curve.tick_sleeps else "no tick sleep"


def _tell_shelves(drawing: Drawing, frame: Frame, curves: Sequence[Curve], x: Scale, y: Scale, hz: int | None) -> None:
    """Say beside the shelf how many swap-ins take a tick or more: the sentence that the picture is there for."""
    if not hz:
        return
    tick = 1e9 / hz
    found = [(arm, curve, curve.leaves(tick)) for arm, curve in enumerate(curves) if curve.tick_sleeps != 0]
    arrived = sorted(((at[0], arm, curve) for arm, curve, at in found if at is not None), key=lambda each: each[0])
    for place, (tail, arm, curve) in enumerate(arrived):
        words = f"1 in {tail:,.0f} of {curve.name} takes a tick or more"
        wide = drawing.width_of(words, scale=1.08)
        if place == 0 and x(tail) - 16 - wide > frame.left:
            drawing.text(x(tail) - 16, (y(2 * tick) + y(tick)) / 2 + 5, words, f"remark arm-{arm}", "end")
        elif x(tail) + 20 + wide < frame.right:
            drawing.text(x(tail) + 20, y(tick) + 22 + 20 * place, words, f"remark arm-{arm}")
        drawing.marker(arm, x(tail), y(tick), size=6.5, hint=words)


def _readings(drawing: Drawing, frame: Frame, curves: Sequence[Curve], x: Scale, deepest: float) -> None:
    """Invisible columns that tell what the curves say there to a pointer that rests on them."""
    steps = round(math.log10(deepest) * 12)
    width = (frame.right - frame.left) / max(steps, 1)
    for step in range(1, steps + 1):
        tail = 10 ** (step / 12)
        values = [(curve.name, curve.at(tail)) for curve in curves]
        words = [_percent(tail), *(f"{name}: {ns_text(ns)}" for name, ns in values if ns is not None)]
        drawing.add(
            "rect",
            hint="\n".join(words),
            x=x(tail) - width / 2,
            y=frame.top,
            width=width,
            height=frame.bottom - frame.top,
            class_="reading",
        )


def _percent(tail: float) -> str:
    return f"p{100 * (1 - 1 / tail):.6g}"


def _spoken(curves: Sequence[Curve], hz: int | None) -> str:
    """The picture in a sentence."""
    told = []
    for curve in curves:
        deep = [f"{_percent(tail)} {ns_text(ns)}" for tail in curve.marks if (ns := curve.at(tail)) is not None]
        at = curve.leaves(1e9 / hz) if hz else None
        shelf = f", 1 in {at[0]:,.0f} takes a tick or more" if at is not None else ""
        told.append(f"{curve.name} has {', '.join(deep) or 'too few swap-ins'}{shelf}")
    return "; ".join(told)
