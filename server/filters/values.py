"""The values of a filter: texts, numbers with units, moments, ages, and ranges of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

from server.db import utc_now
from server.filters import tree
from server.filters.fields import Field, Kind

MAX_NUMBER = (1 << 63) - 1  # what a column of the database holds
NUMBER = re.compile(r"(\d{1,40}(?:\.\d{1,40})?)([a-zA-Zµ]*)")
MOMENT = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,6})?)?)?Z?)?)?)?")
POWERS_OF_NS = {"": 0, "ns": 0, "us": 3, "µs": 3, "ms": 6, "s": 9}
STEPS = [timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)]
UNITS: dict[Kind, dict[str, Decimal]] = {
    "number": {"": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9)},
    "time_ns": {unit: Decimal(f"1e{power}") for unit, power in POWERS_OF_NS.items()},
    "seconds": {"": Decimal(1), **{unit: Decimal(f"1e{power - 9}") for unit, power in POWERS_OF_NS.items() if unit}},
    "age": {unit: Decimal(size) for unit, size in {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}.items()},
}
TURNED: dict[tree.Operator, tree.Operator] = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def test(field: Field, operator: str, text: str, *, quoted: bool) -> tree.Node:
    """What `field operator text` asks for. Raises ValueError with what is wrong; the field's example tells the rest."""
    if operator == "!=":
        return tree.Not(test(field, "=", text, quoted=quoted))
    if field.kind in ("text", "choice"):
        return _text(field, operator, text, quoted=quoted)
    first, dots, last = text.partition("..")
    if not dots:
        return _compared(field, "=" if operator == ":" else cast(tree.Operator, operator), text)
    if operator not in (":", "="):
        raise ValueError("a range takes no < or >")
    if not first and not last:
        raise ValueError("this range has no end")
    ends: list[tuple[tree.Operator, str]] = [(">=", first), ("<=", last)]
    return tree.Every(tuple(_compared(field, side, end) for side, end in ends if end))


def _text(field: Field, operator: str, text: str, *, quoted: bool) -> tree.Node:
    if operator not in (":", "="):
        raise ValueError(f"{field.name} is a text, which is not less or more")
    if field.kind == "choice":
        if text not in field.choices:
            raise ValueError(f"{field.name} is never {text!r}")
        return tree.Test(field.name, "=", text)
    if "*" in text and not quoted:
        return tree.Pattern(field.name, text)
    return tree.Test(field.name, "=", text)


def _compared(field: Field, operator: tree.Operator, text: str) -> tree.Node:
    if field.kind == "moment":
        return _at(field.name, operator, *period(text))
    number = measured(field.kind, text)
    if field.kind == "age":
        if operator == "=":
            raise ValueError("an age is never exact")
        return tree.Test(field.name, TURNED[operator], utc_now(plus_seconds=-float(number)))
    if field.is_whole and isinstance(number, float):
        raise ValueError(f"{field.name} is a whole number")
    return tree.Test(field.name, operator, number)


def measured(kind: Kind, text: str) -> int | float:
    """A number with its unit, in the unit of the field. Raises ValueError."""
    match = NUMBER.fullmatch(text)
    units = UNITS[kind]
    known = ", ".join(unit for unit in units if unit)
    if match is None:
        raise ValueError(f"{text!r} is no number with a unit of {known}")
    if match[2] not in units:
        problem = f"{match[2]!r} is no unit here, {known} are" if match[2] else f"{text!r} lacks its unit: {known}"
        raise ValueError(problem)
    number = Decimal(match[1]) * units[match[2]]
    if number > MAX_NUMBER:
        raise ValueError(f"{text!r} is more than {MAX_NUMBER}")
    return int(number) if number == number.to_integral_value() else float(number)


def _at(name: str, operator: tree.Operator, start: str, end: str) -> tree.Node:
    """A comparison with a moment that lasts as long as it is told: the 23rd is the whole day."""
    if operator == "=":
        return tree.Every((tree.Test(name, ">=", start), tree.Test(name, "<", end)))
    edges: dict[tree.Operator, tuple[tree.Operator, str]] = {
        "<": ("<", start),
        ">=": (">=", start),
        "<=": ("<", end),
        ">": (">=", end),
    }
    return tree.Test(name, *edges[operator])


def period(text: str) -> tuple[str, str]:
    """The first moment of a year, month, day, hour, minute or second, and the first after it. Raises ValueError."""
    match = MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no moment")
    parts = [int(part) for part in match.groups()[:6] if part is not None]
    micros = int((match[7] or ".0")[1:].ljust(6, "0"))
    try:
        start = datetime(*[*parts, 1, 1][: max(3, len(parts))], microsecond=micros, tzinfo=UTC)  # type: ignore[misc, arg-type]
        if match[7]:
            end = start + timedelta(microseconds=10 ** (7 - len(match[7])))
        elif len(parts) < 3:
            month = start.month if len(parts) == 2 else 12
            end = datetime(start.year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            end = start + STEPS[len(parts) - 3]
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no moment: {error}") from None
    return _written(start), _written(end)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
