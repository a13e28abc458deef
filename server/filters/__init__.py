"""The one filter grammar of API, command line and pages: `protocol:swap_cache cpus>=8 p99_ns<200us -host:lab3`.

`parse` makes a tree of a text and checks it against the fields that a list allows; `condition` makes SQLAlchemy of the
tree; `order_by` does the same for a sort. docs/filters.md explains the grammar and lists the fields.
"""

from __future__ import annotations

from server.filters.compile import condition
from server.filters.errors import FilterError
from server.filters.fields import Field, Kind
from server.filters.lists import COMPARISONS, EXPLORATIONS, LOADS, RUNS, STUDIES, FilteredList
from server.filters.parser import parse
from server.filters.sort import NEWEST, Order, Position, behind, order_by, parse_sort, sort_value

__all__ = [
    "COMPARISONS",
    "EXPLORATIONS",
    "LOADS",
    "NEWEST",
    "RUNS",
    "STUDIES",
    "Field",
    "FilterError",
    "FilteredList",
    "Kind",
    "Order",
    "Position",
    "behind",
    "condition",
    "order_by",
    "parse",
    "parse_sort",
    "sort_value",
]
