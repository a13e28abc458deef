"""The record of changes: a row for each, whether it was done or refused, once it is known who asked."""

from __future__ import annotations

import logging

from flask import Response, request
from sqlalchemy.exc import SQLAlchemyError

from server.auth.access import Caller
from server.store import Store

MAX_PATH = 1_000  # characters; what is longer is no address of ours
log = logging.getLogger("swaprace.audit")


def record_change(response: Response, caller: Caller, request_id: str, store: Store) -> None:
    """Keep who asked for a change, and how it was answered. What cannot be stored is logged in full instead."""
    row = {
        "who": caller.who,
        "scope": caller.scope,
        "remote": request.remote_addr or "unknown",
        "method": request.method,
        "path": request.path[:MAX_PATH],
        "status": response.status_code,
        "made": response.headers.get("Location"),
        "request_id": request_id,
    }
    try:
        store.add_audit(**row)
    except SQLAlchemyError as error:
        log.error("a change could not be recorded: %s", error, extra=row)
