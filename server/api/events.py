"""What happens to a run, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack

from apiflask import APIBlueprint
from flask import Response, request
from sqlalchemy.exc import SQLAlchemyError

from server.api.common import ID, PREFIX, Responses, Service, problems, the_service
from server.errors import Fault, ProblemError
from server.events import Seen, TooManyStreams, events_after, seen_by

LOOK_SECONDS = 0.25
KEEP_ALIVE_SECONDS = 10.0  # a client that is gone is noticed when something is written to it
COME_BACK_MS = 1_000
LAST_EVENT_ID = "Last-Event-ID"

EVENTS: Responses = {
    200: {
        "description": "Events `state` and `sample`, until the run is over or the stream has lasted its time.",
        "content": {"text/event-stream": {}},  # a schema would be that of one event
    },
    204: {"description": "The run is over, and the client has seen all of it: do not come back."},
}

log = logging.getLogger("swaprace.events")


def events() -> APIBlueprint:
    """The blueprint of /runs/{run_id}/events."""
    bp = APIBlueprint("events", __name__, url_prefix=f"{PREFIX}/runs/" + ID.format("run_id"), tag="runs")

    @bp.get("/events")
    @bp.doc(summary="Follow a run as server-sent events", responses={**EVENTS, **problems(404, 503)})
    def follow_run(run_id: int) -> Response:
        service = the_service()
        try:
            seen = seen_by(request.headers.get(LAST_EVENT_ID))
        except ValueError as error:
            fault = Fault(parameter=LAST_EVENT_ID, detail=str(error))
            raise ProblemError(422, "invalid", "The Last-Event-ID is not one of this server.", [fault]) from error
        service.store.get_run(run_id)
        if seen.is_end and not events_after(service.store, run_id, seen):
            return Response(status=204)
        held = ExitStack()
        try:
            held.enter_context(service.streams.one())
        except TooManyStreams as error:
            raise ProblemError(503, "too_many_streams", f"No stream is free: {error}.") from error
        held.enter_context(service.metrics.streaming())
        response = Response(_lines(service, run_id, seen), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"  # a proxy in between passes each event on at once
        response.call_on_close(held.close)
        return response

    return bp


def _lines(service: Service, run_id: int, seen: Seen) -> Iterator[str]:
    """The stream. It ends with the run, when the server stops, and when it has lasted its time: clients come back."""
    until = time.monotonic() + service.settings.stream_seconds
    written_at = time.monotonic()
    yield f"retry: {COME_BACK_MS}\n\n"
    while True:
        try:
            told = events_after(service.store, run_id, seen)
        except SQLAlchemyError as error:
            log.warning("run %d: the stream ends, the database failed: %s", run_id, error)
            return
        for event in told:
            seen = event.seen
            yield f"id: {seen}\nevent: {event.kind}\ndata: {json.dumps(event.data, separators=(',', ':'))}\n\n"
        now = time.monotonic()
        if seen.is_end or now >= until or service.streams.is_stopping():
            return
        if told:
            written_at = now
            continue
        if now >= written_at + KEEP_ALIVE_SECONDS:
            written_at = now
            yield ": keep-alive\n\n"
        time.sleep(LOOK_SECONDS)
