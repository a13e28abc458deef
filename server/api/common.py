"""What all resources share: who holds the store, strict bodies, cursors, and how problems are documented."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from flask import current_app, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from server.config import Settings
from server.errors import PROBLEM_TYPE, Fault, ProblemError
from server.schemas import MAX_ID
from server.store import Store

PREFIX = "/api/v1"
EXTENSION = "swaprace"
MAX_LIMIT = 200
IDEMPOTENCY_HEADER = "Idempotency-Key"
ID = f"<int(max={MAX_ID}):{{}}>"  # beyond it is not an id, so there is no such resource

Responses = dict[int | str, dict[str, Any]]  # status -> OpenAPI response object

PROBLEMS = {
    400: "The body is not JSON.",
    403: "A page of another origin asked for a change.",
    404: "There is no such resource.",
    409: "The state of the resource does not allow it.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    421: "The Host of the request is not one of this server.",
    422: "Something in the request is wrong; `errors` points at it.",
    429: "The queue is full; Retry-After tells when to ask again.",
    500: "The server failed.",
}


@dataclass(frozen=True)
class Service:
    """What a view works with."""

    store: Store
    settings: Settings


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
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")


def write_cursor(position: int | None) -> str | None:
    """Where the next page starts, as text that a client passes back unread; None at the end."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([position]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> int | None:
    """The position in a cursor. Raises ProblemError for a text that is no cursor of ours."""
    if cursor is None:
        return None
    try:
        (position,) = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(position) is int and 0 <= position <= MAX_ID and write_cursor(position) == cursor:
            return position
    except (ValueError, TypeError, RecursionError):
        pass  # told below, like a cursor that decodes to something else
    fault = Fault(parameter="cursor", detail="pass next_cursor of the page before, as it was given")
    raise ProblemError(422, "invalid", "The cursor is not one of this server.", [fault])


def idempotency_key() -> str | None:
    """The Idempotency-Key of the request. Raises ProblemError for one that cannot be kept."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        fault = Fault(parameter=IDEMPOTENCY_HEADER, detail="give 1 to 255 visible ASCII characters")
        raise ProblemError(422, "invalid", "The Idempotency-Key cannot be used.", [fault])
    return key
