"""What all resources share: who holds the store, strict bodies, cursors, and how problems are documented."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypedDict, TypeVar

from flask import current_app, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from werkzeug.routing import IntegerConverter

from server.config import Settings
from server.errors import PROBLEM_TYPE, Fault, ProblemError
from server.events import Streams
from server.filters import FilteredList, FilterError, Order, Position, parse, parse_sort
from server.filters.tree import Node
from server.metrics import Metrics
from server.readiness import Readiness
from server.schemas import MAX_ID
from server.store import Store

PREFIX = "/api/v1"
EXTENSION = "swaprace"
MAX_LIMIT = 200
IDEMPOTENCY_HEADER = "Idempotency-Key"
ID = f"<int(max={MAX_ID}):{{}}>"


class IdConverter(IntegerConverter):
    """A number in an address; one beyond `max` is taken for `max`, which no resource has, so that it is not found.

    werkzeug's own lets such an address match no rule, and answers 405 where the path has another method too.
    """

    def to_python(self, value: str) -> int:
        digits = value.lstrip("0") or "0"
        if self.max is not None and len(digits) > len(str(self.max)):
            return self.max
        return int(digits) if self.max is None else min(int(digits), self.max)


T = TypeVar("T")
Responses = dict[int | str, dict[str, Any]]  # status -> OpenAPI response object

PROBLEMS = {
    400: "The body is not JSON.",
    401: "A token is needed, or the one sent is unknown, expired or revoked.",
    403: "A page of another origin asked for a change, or the token's scope is too small.",
    404: "There is no such resource.",
    409: "The state of the resource does not allow it.",
    412: "The resource is not as If-Match takes it to be.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    421: "The Host of the request is not one of this server.",
    422: "Something in the request is wrong; `errors` points at it.",
    429: "The queue is full; Retry-After tells when to ask again.",
    500: "The server failed.",
    503: "The server cannot answer now; Retry-After tells when to ask again.",
    504: "Whoever was asked in turn does not answer in time.",
}


@dataclass(frozen=True)
class Service:
    """What a view works with."""

    store: Store
    settings: Settings
    metrics: Metrics
    streams: Streams
    readiness: Readiness


def the_service() -> Service:
    """The service of the app that answers."""
    service: Service = current_app.extensions[EXTENSION]
    return service


def problems(*statuses: int) -> Responses:
    """Documentation of the problem documents that a view may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": PROBLEMS[status], "content": {PROBLEM_TYPE: schema}} for status in statuses}


class Body(BaseModel):
    """A request body. JSON has types: the text "2" is not the number 2."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """Validate without converting between types. Raises pydantic's ValidationError."""
        return super().model_validate(obj, **{**how, "strict": True})


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,18}", value):
        raise ValueError("write a whole number in decimal digits")
    return value


Number = Annotated[int, BeforeValidator(_digits)]


class PageQuery(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Number = Field(50, ge=1, le=MAX_LIMIT, description="most items to answer with")
    cursor: str | None = Field(None, max_length=400, description="next_cursor of the page before")


class ListQuery(PageQuery):
    """The query of a list that can be filtered and sorted (docs/filters.md)."""

    filter: str = Field("", max_length=2_000, description="what items must fulfil, as in protocol:swap_cache cpus>=8")
    sort: str = Field("-id", max_length=64, description="field to sort by, with - before it from most to least")


class Listing(TypedDict):
    """What the store takes to list a page."""

    where: Node
    order: Order
    limit: int
    after: Position | None


def listing(query: ListQuery, of: FilteredList) -> Listing:
    """A checked query of a list. Raises ProblemError that tells where a filter, a sort or a cursor is wrong."""
    faults: list[Fault] = []
    where, order = (
        _parsed("filter", parse, query.filter, of, faults),
        _parsed("sort", parse_sort, query.sort, of, faults),
    )
    if where is None or order is None:
        raise ProblemError(422, "invalid", "The query has faults; see errors.", faults)
    return Listing(where=where, order=order, limit=query.limit, after=_read_position(query.cursor, order, of))


def _parsed(
    parameter: str, read: Callable[[str, FilteredList], T], text: str, of: FilteredList, faults: list[Fault]
) -> T | None:
    try:
        return read(text, of)
    except FilterError as error:
        faults.append(Fault(parameter=parameter, detail=str(error)))
        return None


def write_cursor(position: int | None) -> str | None:
    """Where the next page starts, as text that a client passes back unread; None at the end."""
    return None if position is None else _encoded([position])


def read_cursor(cursor: str | None) -> int | None:
    """The position in a cursor. Raises ProblemError for a text that is no cursor of ours."""
    if cursor is None:
        return None
    match _decoded(cursor):
        case [int(position)] if 0 <= position <= MAX_ID and not isinstance(position, bool):
            return position
    raise _bad_cursor()


def write_position(position: Position | None, order: Order) -> str | None:
    """Where the next page of a sorted list starts, as text that a client passes back unread; None at the end."""
    return None if position is None else _encoded([str(order), *position])


def _read_position(cursor: str | None, order: Order, of: FilteredList) -> Position | None:
    if cursor is None:
        return None
    is_text = of.fields[order.field].kind in ("text", "choice", "moment")
    match _decoded(cursor):
        case [str(sort), str() | int() | float() as value, int(number)] if (
            sort == str(order)
            and isinstance(value, str) == is_text
            and (is_text or abs(value) <= MAX_ID)  # type: ignore[arg-type]
            and 0 <= number <= MAX_ID
        ):
            return value, number
    raise _bad_cursor()


def _encoded(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, allow_nan=False).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Any:
    """What a cursor holds; None for a text that we would not have written like that."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return parts if isinstance(parts, list) and _encoded(parts) == cursor else None
    except (ValueError, TypeError, RecursionError):
        return None


def _bad_cursor() -> ProblemError:
    fault = Fault(parameter="cursor", detail="pass next_cursor of the page before, as it was given, with the same sort")
    return ProblemError(422, "invalid", "The cursor is not one of this server.", [fault])


def idempotency_key() -> str | None:
    """The Idempotency-Key of the request. Raises ProblemError for one that cannot be kept."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        fault = Fault(parameter=IDEMPOTENCY_HEADER, detail="give 1 to 255 visible ASCII characters")
        raise ProblemError(422, "invalid", "The Idempotency-Key cannot be used.", [fault])
    return key
