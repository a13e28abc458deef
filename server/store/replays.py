"""Findings that were played again."""

from __future__ import annotations

from sqlalchemy import insert, select

from server.db import Database, utc_now
from server.exploring.schemas import Replay, ReplayCreate
from server.models import replays
from server.store.errors import NotFoundError
from server.store.runs import answered_before, remember_answer
from workers.exploration import Replayed

KIND = "replay"


class Replays:
    """The part of the store that keeps replays."""

    db: Database

    def find_replay(self, asked: ReplayCreate, idempotency_key: str | None) -> Replay | None:
        """The replay that the key made before, if any. Raises IdempotencyError."""
        with self.db.read() as connection:
            known = answered_before(connection, idempotency_key, KIND, asked)
        return None if known is None else self.get_replay(known)

    def add_replay(self, asked: ReplayCreate, replayed: Replayed, *, idempotency_key: str | None = None) -> Replay:
        """Keep what a replay said. Of two with the same key the first is kept."""
        told = replayed.model_dump(mode="json", exclude={"timeline"})
        timeline = None if replayed.timeline is None else replayed.timeline.model_dump(mode="json", exclude_none=True)
        row = {"created_at": utc_now(), "token": asked.token, "verdict": told, "timeline": timeline}
        with self.db.write() as connection:
            known = answered_before(connection, idempotency_key, KIND, asked)
            if known is None:
                known = connection.execute(insert(replays).values(**row).returning(replays.c.id)).scalar_one()
                remember_answer(connection, idempotency_key, KIND, asked, known)
        return self.get_replay(known)

    def get_replay(self, replay_id: int) -> Replay:
        """One replay. Raises NotFoundError."""
        with self.db.read() as connection:
            row = connection.execute(select(replays).where(replays.c.id == replay_id)).one_or_none()
        if row is None:
            raise NotFoundError("replay", replay_id)
        return Replay(**{name: row._mapping[name] for name in Replay.model_fields})
