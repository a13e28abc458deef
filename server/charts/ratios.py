"""Ratios of candidate over baseline: the forest of estimates with their intervals, and the pairs behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from server.charts.svg import Drawing, Form, Frame, Scale
from server.charts.words import ratio_text

STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1),
    *(1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000),
)
ROW = 44
PANEL = 150
GUTTER = 34  # right of the pairs: their estimate and its interval
LABELS_APART = 46


@dataclass(frozen=True)
class Ratio:
    """One metric: the estimate and its interval, the ratios of its pairs in the order of `blocks`, and its verdict."""

    label: str
    estimate: float | None
    interval: tuple[float, float] | None
    ratios: Sequence[float]
    blocks: Sequence[str]
    verdict: str
    words: str


def draw_forest(metrics: Sequence[Ratio], margin: float, form: Form) -> Drawing:
    """An estimate with its 95 % interval a line; inside the shaded band a change is smaller than `margin`."""
    title = "; ".join(f"{metric.label} {metric.verdict}, {metric.words}" for metric in metrics)
    row = ROW + (22 if form.narrow else 0)
    drawing = Drawing(form, f"Estimates: {title}", height=34 + row * max(len(metrics), 1) + 46)
    left = max([drawing.width_of(metric.label) for metric in metrics], default=60) + 18
    beside = 0.0 if form.narrow else max([drawing.width_of(m.words) for m in metrics], default=0.0) + 20
    frame = Frame(left, 24, form.width - max(beside, 14), 24 + row * max(len(metrics), 1))
    x = _ratio_scale([each for metric in metrics for each in _bounds(metric)], margin, frame)
    _grid(drawing, frame, x, margin)
    for place, metric in enumerate(metrics):
        y = frame.top + row * place + ROW / 2
        drawing.text(frame.left - 12, y + 5, metric.label, "label", "end")
        if metric.estimate is None:
            drawing.text(frame.left + 8, y + 5, metric.words, "figure soft")
            continue
        if metric.interval is not None:
            low, high = x(metric.interval[0]), x(metric.interval[1])
            drawing.line(low, y, high, y, "interval")
            for end in (low, high):
                drawing.line(end, y - 6, end, y + 6, "interval")
        at, half = x(metric.estimate), 7.0
        diamond = [(at - half, y), (at, y - half), (at + half, y), (at, y + half)]
        drawing.path(diamond, f"estimate {metric.verdict}", closed=True)
        if form.narrow:
            drawing.text(frame.left, y + 26, metric.words, f"figure {metric.verdict}")
        else:
            drawing.text(frame.right + 16, y + 5, metric.words, f"figure {metric.verdict}")
    drawing.text((frame.left + frame.right) / 2, drawing.height - 6, "ratio of candidate to baseline", "axis", "middle")
    return drawing


def draw_pairs(metrics: Sequence[Ratio], margin: float, form: Form) -> Drawing:
    """A dot a pair in the order of measuring, a panel a metric: drift of the machine shows as a slope."""
    shown = [metric for metric in metrics if metric.ratios]
    columns = 1 if form.narrow else 2
    rows = math.ceil(len(shown) / columns)
    drawing = Drawing(form, f"Pairs of {', '.join(metric.label for metric in shown)}", height=max(rows, 1) * PANEL + 26)
    width = form.width / columns
    for place, metric in enumerate(shown):
        left, top = (place % columns) * width, (place // columns) * PANEL
        _panel(drawing, metric, margin, Frame(left + 64, top + 30, left + width - 20, top + PANEL - 12))
    words = "pairs in the order of measuring; the diamond is their estimate"
    drawing.text(form.width / 2, drawing.height - 6, words, "axis", "middle")
    return drawing


def _panel(drawing: Drawing, metric: Ratio, margin: float, frame: Frame) -> None:
    side = Frame(frame.bottom, 0, frame.top, 0)
    y = _ratio_scale([*metric.ratios, *_bounds(metric)], margin, side)
    drawing.text(frame.left, frame.top - 12, f"{metric.label}, {metric.verdict}", f"label {metric.verdict}")
    band = y(1 + margin), y(1 - margin)
    width = frame.right - frame.left
    drawing.add("rect", x=frame.left, y=band[0], width=width, height=max(band[1] - band[0], 1.0), class_="shelf")
    for at in _labelled(y, 24):
        drawing.line(frame.left, y(at), frame.right, y(at), "base" if at == 1 else "grid")
        drawing.text(frame.left - 8, y(at) + 5, ratio_text(at), "tick", "end")
    dots = frame.right - GUTTER
    step = (dots - frame.left) / (len(metric.ratios) + 1)
    for place, (ratio, block) in enumerate(zip(metric.ratios, metric.blocks, strict=True), start=1):
        drawing.marker(1, frame.left + place * step, y(ratio), size=4.2, hint=f"pair {block}: x {ratio:.4g}")
    if metric.estimate is not None:
        _estimate(drawing, metric, y, (dots + frame.right) / 2)


def _estimate(drawing: Drawing, metric: Ratio, y: Scale, at: float) -> None:
    """The estimate with its interval, upright."""
    if metric.interval is not None:
        low, high = y(metric.interval[0]), y(metric.interval[1])
        drawing.line(at, low, at, high, "interval")
        for end in (low, high):
            drawing.line(at - 5, end, at + 5, end, "interval")
    middle, half = y(metric.estimate or 1.0), 6.0
    diamond = [(at - half, middle), (at, middle - half), (at + half, middle), (at, middle + half)]
    drawing.path(diamond, f"estimate {metric.verdict}", closed=True)


def _bounds(metric: Ratio) -> list[float]:
    return [each for each in (metric.estimate, *(metric.interval or ())) if each is not None]


def _ratio_scale(values: Sequence[float], margin: float, frame: Frame) -> Scale:
    """Logarithmic, around 1 and the band of equivalence, with some air at both ends."""
    least, most = min([1 - 1.5 * margin, *values]), max([1 + 1.5 * margin, *values])
    air = (most / least) ** 0.06
    return Scale(least / air, most * air, frame.left, frame.right, log=True)


def _labelled(scale: Scale, apart: float = LABELS_APART) -> list[float]:
    """The steps whose labels have room, 1 first and then outwards: those of the coarse steps win."""
    coarse = [0.001, 0.01, 0.1, 0.5, 2, 10, 100, 1000]
    taken: list[float] = []
    for at in [1, *coarse, *STEPS]:
        if scale.holds(at) and at not in taken and all(abs(scale(at) - scale(each)) >= apart for each in taken):
            taken.append(at)
    return taken


def _grid(drawing: Drawing, frame: Frame, x: Scale, margin: float) -> None:
    left, right = x(1 - margin), x(1 + margin)
    drawing.add(
        "rect", x=left, y=frame.top - 8, width=right - left, height=frame.bottom - frame.top + 8, class_="shelf"
    )
    for at in _labelled(x):
        drawing.line(x(at), frame.top - 8, x(at), frame.bottom, "base" if at == 1 else "grid")
        drawing.text(x(at), frame.bottom + 19, ratio_text(at), "tick", "middle")
