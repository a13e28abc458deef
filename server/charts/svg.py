"""Elements of a drawing, and its frame: scales, axes, and labels that keep out of each other's way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

STYLE = Path(__file__).resolve().parents[1] / "static" / "charts.css"
CHARACTER = 0.56  # mean width of a character of the system's sans serif, in heights of the font


@dataclass(frozen=True)
class Form:
    """A size to draw for: `name` is the class that the style sheet shows or hides; lengths in px of the drawing."""

    name: str
    width: int
    height: int
    font: int
    narrow: bool


WIDE = Form("wide", 960, 520, 15, False)
NARROW = Form("narrow", 400, 440, 14, True)


@dataclass(frozen=True)
class Scale:
    """Values to px: `low` lies at `start`, `high` at `end`; logarithmic when `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low * 1e-9))
        share = (at - low) / (high - low) if high != low else 0.5
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis; a hair beyond its ends counts as on it."""
        return self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)


@dataclass(frozen=True)
class Frame:
    """The rectangle that data is drawn in."""

    left: float
    top: float
    right: float
    bottom: float


class Drawing:
    """An SVG in the making. `title` names it for those who do not see it; its figures stand in a table beside it."""

    def __init__(self, form: Form, title: str, *, height: int | None = None, role: str = "img") -> None:
        self.form = form
        self.role = role
        self.title = title
        self.height = height or form.height
        self._parts: list[str] = []

    def add(self, tag: str, text: str | None = None, hint: str | None = None, **attributes: object) -> None:
        """One element; `class_` and names with `_` become XML's. `hint` is shown by a pointer that rests on it."""
        given = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
            for name, value in attributes.items()
            if value is not None
        )
        inside = (f"<title>{escape(hint)}</title>" if hint else "") + (escape(text) if text is not None else "")
        self._parts.append(f"<{tag}{given}>{inside}</{tag}>" if inside else f"<{tag}{given}/>")

    def text(self, x: float, y: float, text: str, class_: str = "label", anchor: str = "start") -> None:
        """Words with their baseline at (x, y)."""
        self.add("text", text, x=x, y=y, class_=class_, text_anchor=anchor)

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        """A straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def path(self, points: Iterable[tuple[float, float]], class_: str, *, closed: bool = False) -> None:
        """A line through points, in px; nothing where there are fewer than two."""
        moves = [f"{_value(x)},{_value(y)}" for x, y in points]
        if len(moves) > 1:
            self.add("path", d="M" + "L".join(moves) + ("Z" if closed else ""), class_=class_)

    def marker(self, arm: int, x: float, y: float, *, size: float = 5.0, hint: str | None = None) -> None:
        """The sign of an arm: a disc for the first, a square for the second, so that colour is never alone."""
        shape = f"mark arm-{arm}"
        if arm == 0:
            self.add("circle", hint=hint, cx=x, cy=y, r=size, class_=shape)
        else:
            side = size * 1.75
            self.add("rect", hint=hint, x=x - side / 2, y=y - side / 2, width=side, height=side, class_=shape)

    def open_link(self, address: str, label: str) -> None:
        """What follows, until close_link, leads to an address; a pointer's short cut, no stop of the keyboard."""
        self._parts.append(f'<a href="{escape(address)}" aria-label="{escape(label)}" tabindex="-1">')

    def close_link(self) -> None:
        """End what open_link began."""
        self._parts.append("</a>")

    def width_of(self, text: str, *, scale: float = 1.0) -> float:
        """About how wide a text will be, in px."""
        return len(text) * self.form.font * CHARACTER * scale

    def inline(self) -> str:
        """The drawing as an element of a page that links the style sheet."""
        return self._open(f'class="drawing {self.form.name}"') + "".join(self._parts) + "</svg>"

    def standalone(self, style: str) -> str:
        """The drawing as a file of its own, on white paper, with its style inside."""
        ground = '<rect class="ground" width="100%" height="100%"/>'
        head = self._open(
            f'xmlns="http://www.w3.org/2000/svg" class="drawing {self.form.name} file" '
            f'width="{self.form.width}" height="{self.height}"'
        )
        return f"{head}<style>{escape(style)}</style>{ground}{''.join(self._parts)}</svg>\n"

    def _open(self, attributes: str) -> str:
        box = f'viewBox="0 0 {self.form.width} {self.height}" font-size="{self.form.font}"'
        return f'<svg {attributes} {box} role="{self.role}" aria-label="{escape(self.title)}">'


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(str(value))


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from `low` to `high`, both within."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**exponent for exponent in range(first, last + 1)]


def spread(places: Sequence[float], least: float) -> list[float]:
    """`places` moved apart until neighbours are `least` px from each other, as little as that takes."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for _ in range(32):
        quiet = True
        for above, below in pairwise(order):
            lack = least - (moved[below] - moved[above])
            if lack > 1e-6:
                moved[above] -= lack / 2
                moved[below] += lack / 2
                quiet = False
        if quiet:
            break
    return moved
