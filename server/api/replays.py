"""Replays: a finding played again by its token."""

from __future__ import annotations

import logging
import threading

from apiflask import APIBlueprint

from server.api.common import ID, PREFIX, Body, idempotency_key, problems, the_service
from server.errors import ProblemError
from server.exploring.child import ExplorerError
from server.exploring.replays import REPLAY_SECONDS, checked, played
from server.exploring.schemas import Replay, ReplayCreate

AT_ONCE = 2  # each is a process


class ReplayBody(Body, ReplayCreate):
    """The token of a finding."""


def replays() -> APIBlueprint:
    """The blueprint of /replays."""
    places = threading.BoundedSemaphore(AT_ONCE)
    bp = APIBlueprint("replays", __name__, url_prefix=f"{PREFIX}/replays", tag="explorations")

    @bp.post("")
    @bp.input(ReplayBody, arg_name="body")
    @bp.output(Replay, status_code=201, description="What the replay came to; Location is its address.")
    @bp.doc(summary="Play a finding again", responses=problems(504))
    def create_replay(body: ReplayBody) -> tuple[Replay, int, dict[str, str]]:
        service, key = the_service(), idempotency_key()
        asked = ReplayCreate.model_validate(body.model_dump())
        kept = service.store.find_replay(asked, key)
        if kept is None:
            checked(asked.token, service.settings)
            if not places.acquire(blocking=False):
                raise ProblemError(503, "busy", f"{AT_ONCE} replays are played already; ask again.")
            try:
                kept = service.store.add_replay(asked, played(asked.token, REPLAY_SECONDS), idempotency_key=key)
            except ExplorerError as error:
                logging.getLogger("swaprace.api").error("a replay failed: %s", error)
                raise ProblemError(
                    504, "replay_failed", "The replay did not end as it should; the log tells why."
                ) from error
            finally:
                places.release()
        return kept, 201, {"Location": f"{PREFIX}/replays/{kept.id}"}

    @bp.get("/" + ID.format("replay_id"))
    @bp.output(Replay, description="The replay.")
    @bp.doc(summary="Look at a replay", responses=problems(404))
    def get_replay(replay_id: int) -> Replay:
        return the_service().store.get_replay(replay_id)

    return bp
