"""The order of a list: one field, up or down, and the number of the row where that is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, tuple_

from server.filters.errors import FilterError
from server.filters.lists import FilteredList

Position = tuple[str | int | float, int]  # sort value and number of the last row of a page


@dataclass(frozen=True)
class Order:
    """By which field, and whether down. Rows without a value in it are not part of the list in that order."""

    field: str = "id"
    down: bool = True

    def __str__(self) -> str:
        return f"-{self.field}" if self.down else self.field


NEWEST = Order()


def parse_sort(text: str, of: FilteredList) -> Order:
    """The order of a text such as `-p99_ns`, where - means from most to least. Raises FilterError."""
    name = text.removeprefix("-")
    field = of.fields.get(name)
    if field is None:
        raise FilterError(text, len(text) - len(name), f"there is no field {name!r}", of.near(name))
    if not field.sortable:
        raise FilterError(text, len(text) - len(name), f"{name} is no order", "sort by another field")
    return Order(name, text.startswith("-"))


def order_by(order: Order, of: FilteredList) -> list[ColumnElement[Any]]:
    """The columns to order by. An index of the field and the number serves both directions."""
    columns = [of.fields[name].column() for name in dict.fromkeys((order.field, "id"))]
    return [column.desc() if order.down else column.asc() for column in columns]


def sort_value(order: Order, of: FilteredList) -> ColumnElement[Any]:
    """The value that a row is ordered by: what the next page starts behind."""
    return of.fields[order.field].column()


def behind(order: Order, of: FilteredList, position: Position | None) -> ColumnElement[bool]:
    """Which rows come after `position`, the sort value and the number of the last row before; None: all."""
    number, value = of.fields["id"].column(), sort_value(order, of)
    known = value.is_not(None)
    if position is None:
        return known
    if order.field == "id":
        return number < position[1] if order.down else number > position[1]
    here, there = tuple_(value, number), tuple_(literal(position[0]), literal(position[1]))
    return and_(known, here < there if order.down else here > there)
