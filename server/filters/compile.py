"""From the tree of a filter to a condition that SQLite and PostgreSQL understand alike.

A row without a value in a field passes no test on it, and passes the negation of every test on it. SQL's own third
truth value would let such rows pass neither, so negation is carried down to the single tests, where the missing value
is named.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, true

from server.filters import tree
from server.filters.fields import Field
from server.filters.lists import FilteredList

COMPARED: dict[tree.Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ESCAPE = "\\"


def condition(node: tree.Node, of: FilteredList, *, negated: bool = False) -> ColumnElement[bool]:
    """What a row of the list must fulfil. The statement names its tables; runs stand beside their attempt."""
    match node:
        case tree.Not():
            return condition(node.node, of, negated=not negated)
        case tree.Every() | tree.Any():
            parts = [condition(each, of, negated=negated) for each in node.nodes]
            joined = and_ if isinstance(node, tree.Every) != negated else or_
            return joined(*parts) if parts else true()
        case tree.Words():
            found = [_test(of.fields[name], f"*{_literal(node.text)}*", negated) for name in of.searched]
            return and_(*found) if negated else or_(*found)
        case tree.Pattern():
            return _test(of.fields[node.field], node.glob, negated)
        case tree.Test():
            field = of.fields[node.field]
            return _told(field, COMPARED[node.operator](field.column(), node.value), negated)


def _literal(text: str) -> str:
    """A text as a glob that stands for itself."""
    return text.replace(ESCAPE, ESCAPE + ESCAPE).replace("*", ESCAPE + "*")


def _test(field: Field, glob: str, negated: bool) -> ColumnElement[bool]:
    return _told(field, field.column().ilike(like_pattern(glob), escape=ESCAPE), negated)


def like_pattern(glob: str) -> str:
    r"""A glob as a pattern of LIKE: `*` is any text, `\*` an asterisk, `\\` a backslash, anything else itself."""
    pattern = []
    characters = iter(glob)
    for character in characters:
        if character == "*":
            pattern.append("%")
            continue
        said = next(characters, ESCAPE) if character == ESCAPE else character
        pattern.append(ESCAPE + said if said in ("%", "_", ESCAPE) else said)
    return "".join(pattern)


def _told(field: Field, test: ColumnElement[bool], negated: bool) -> ColumnElement[bool]:
    if field.within is not None:
        return not_(field.within(test)) if negated else field.within(test)
    return or_(field.column().is_(None), not_(test)) if negated else test
