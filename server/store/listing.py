"""One page of a filtered and sorted list, in one statement that an index can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select

from server.filters import FilteredList, Order, Position, behind, condition, order_by, sort_value
from server.filters.tree import Node

SORT_VALUE = "sort_value"  # name of the column that the next page starts behind


def page_of(
    connection: Connection,
    query: Select[Any],
    of: FilteredList,
    *,
    where: Node | None,
    order: Order,
    limit: int,
    after: Position | None,
) -> tuple[Sequence[Row[Any]], Position | None]:
    """Rows of `query`, which has a column `id`, that pass the filter; and the `after` of the next page.

    `after` is None at the start and at the end. Rows without a value in the field of the order are left out.
    """
    query = query.add_columns(sort_value(order, of).label(SORT_VALUE)).where(behind(order, of, after))
    if where is not None:
        query = query.where(condition(where, of))
    rows = connection.execute(query.order_by(*order_by(order, of)).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], (last._mapping[SORT_VALUE], last.id)
