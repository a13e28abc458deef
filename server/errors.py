"""Errors as RFC 9457 problem documents: one shape for every status, with a JSON pointer to whatever was wrong."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from server.laws import LawsError
from server.store import ConflictError, IdempotencyError, NotFoundError, QueueFullError, StoreError

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
AWAY_CODES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
STORE_ERRORS: dict[type[StoreError], tuple[int, str]] = {
    NotFoundError: (404, "not_found"),
    ConflictError: (409, "conflict"),
    IdempotencyError: (422, "idempotency_key_reused"),
    QueueFullError: (429, "queue_full"),
}
SENTENCES = {
    400: "The body is not JSON.",
    404: "There is nothing at this address.",
    405: "This address does not take that method; Allow lists those it takes.",
    413: "The body is larger than this server takes.",
    415: "The body must be JSON: send Content-Type: application/json.",
    500: "The server failed; its log tells why.",
}


class Fault(BaseModel):
    """One thing that is wrong with a request: where, and what would be right."""

    model_config = ConfigDict(extra="forbid")

    detail: str
    pointer: str | None = Field(None, description="JSON pointer into the body, as a URI fragment (RFC 6901)")
    parameter: str | None = Field(None, description="name of a query parameter or header")


class Problem(BaseModel):
    """An error: RFC 9457, with `code` for programs and `errors` for what was wrong where."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: list[Fault] = []


class ProblemError(Exception):
    """Raised by a view to answer with a problem document."""

    def __init__(self, status: int, code: str, detail: str, faults: list[Fault] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.faults = faults or []


def answer(status: int, code: str, detail: str, faults: list[Fault] | None = None, headers: Any = None) -> Response:
    """The response of a problem. `headers` are kept, as Allow of 405, less those of a body that is not sent."""
    title = HTTP_STATUS_CODES.get(status, "Error")
    problem = Problem(title=title, status=status, code=code, detail=detail, instance=request.path, errors=faults or [])
    response = Response(problem.model_dump_json(exclude_none=True), status, mimetype=PROBLEM_TYPE)
    for name, value in dict(headers or {}).items():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def pointer_of(location: tuple[int | str, ...], body: Any = None) -> str:
    """A pydantic location as JSON pointer in a URI fragment (RFC 6901 sections 3 and 6).

    pydantic names the alternative of a union on the way to a field; what `body` has nothing of on the way is left out.
    """
    parts: list[int | str] = []
    for at, part in enumerate(location):
        if isinstance(body, dict) and part not in body and at < len(location) - 1:
            continue
        parts.append(part)
        inside = isinstance(body, dict) or (isinstance(body, list) and isinstance(part, int) and part < len(body))
        body = (body.get(part) if isinstance(body, dict) else body[part]) if inside else None
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def faults_of_validation(error: ValidationError, *, in_query: bool) -> list[Fault]:
    """Every complaint of pydantic, with where it is about."""
    faults = []
    for item in error.errors(include_input=False, include_url=False):
        where = item["loc"]
        if in_query:
            faults.append(Fault(detail=item["msg"], parameter=str(where[0]) if where else None))
        else:
            faults.append(Fault(detail=item["msg"], pointer=pointer_of(where, request.get_json(silent=True))))
    return faults


def is_away(error: DBAPIError) -> bool:
    """True where the database, and not the statement, is at fault: gone, locked for too long, out of space."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in AWAY_CODES  # the low byte is the primary code
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _http_error(error: HTTPError) -> Response:
    """Errors that APIFlask raises: a validation error carries pydantic's as its cause."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        in_query = "query" in dict(error.detail or {})
        faults = faults_of_validation(cause, in_query=in_query)
        what = "query" if in_query else "body"
        return answer(422, "invalid", f"The {what} has {len(faults)} fault(s); see errors.", faults)
    return _status(error.status_code, str(error.message), error.headers)


def _status(status: int, sentence: str, headers: Any) -> Response:
    code = HTTP_STATUS_CODES.get(status, "error").lower().replace(" ", "_").replace("-", "_")
    return answer(status, code, SENTENCES.get(status, sentence), headers=headers)


def register(app: APIFlask) -> None:
    """Have `app` answer every error with a problem document."""
    log = logging.getLogger("swaprace.api")
    app.error_processor(_http_error)

    @app.errorhandler(HTTPException)
    def on_http_exception(error: HTTPException) -> Response:
        return _status(error.code or 500, error.description or "", dict(error.get_headers()))

    @app.errorhandler(ProblemError)
    def on_problem(error: ProblemError) -> Response:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status in (429, 503) else {}
        return answer(error.status, error.code, str(error), error.faults, headers)

    @app.errorhandler(StoreError)
    def on_store_error(error: StoreError) -> Response:
        status, code = STORE_ERRORS[type(error)]
        faults = [Fault(detail=str(error), parameter="Idempotency-Key")] if isinstance(error, IdempotencyError) else []
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
        sentence = str(error)[:1].upper() + str(error)[1:] + "."
        return answer(status, code, sentence, faults, headers)

    @app.errorhandler(LawsError)
    def on_laws_error(error: LawsError) -> Response:
        return answer(404, "not_found", str(error)[:1].upper() + str(error)[1:] + ".")

    @app.errorhandler(DBAPIError)
    def on_database_error(error: DBAPIError) -> Response:
        if not is_away(error):
            return on_anything(error)
        log.error("%s %s: the database is away: %s", request.method, request.path, error.orig)
        sentence = "The database cannot be reached now; nothing is known to have changed."
        return answer(503, "database_away", sentence, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})

    @app.errorhandler(DataError)
    def on_data_error(_error: DataError) -> Response:
        """PostgreSQL takes no NUL character in a text, and no number beyond 64 bits."""
        return answer(422, "invalid", "The request holds a NUL character or a number that cannot be stored.")

    @app.errorhandler(Exception)
    def on_anything(error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return _status(500, "", {})
