"""Who may run what, where: claims of queued runs, and the moment at which a placed attempt is taken up.

Every write transaction holds the write lock from its start, so what is read here is still so when it is written.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from server.db import Database, utc_now
from server.models import attempts, placements, runs
from server.places import Place, here, read_cpus, write_cpus
from server.processes import ProcessId
from server.states import LIVE, RunState
from workers.spec import RunSpec

HERE = here()


@dataclass(frozen=True)
class Claim:
    """The right to run one run: `token` fences every later write.

    `place` None: the engine has yet to choose one, and `near` is the host of the run that this one is compared with.
    """

    run_id: int
    token: str
    spec: RunSpec
    place: Place | None = HERE
    near: str | None = None


class Refusal(enum.Enum):
    """Why an attempt that an engine has delivered is not taken up."""

    OVER = "over"  # it was taken up before, was given up, or is to be cancelled
    BUSY = "busy"  # another run is live on these CPUs: ask again


def queued_in(study_id: int | None, run_ids: Collection[int] | None) -> list[ColumnElement[bool]]:
    """What the queued runs of a study, or among `run_ids`, have in common."""
    scope: list[ColumnElement[bool]] = [runs.c.state == "queued"]
    if study_id is not None:
        scope.append(runs.c.study_id == study_id)
    if run_ids is not None:
        scope.append(runs.c.id.in_(run_ids))
    return scope


class Claims:
    """The part of the store that gives runs away, each once."""

    db: Database

    def claim(
        self,
        owner: ProcessId,
        *,
        lease_seconds: float,
        place: Place | None = HERE,
        placer: str = "local",
        others: Collection[Place] = (),
        study_id: int | None = None,
        run_ids: Collection[int] | None = None,
    ) -> Claim | None:
        """Take the oldest queued run, of a study or among `run_ids` where given; None when there is none to take.

        There is none as long as a run is live on CPUs of `place`, whatever its lease: one measurement at a time. A
        place of None is chosen by the engine, and taken when the attempt begins. A run of a block of which another was
        placed at one of `others`, the places beside this one, waits for that: what is compared shares its CPUs.
        """
        scope = queued_in(study_id, run_ids)
        oldest = select(runs.c.id, runs.c.study_id, runs.c.block).where(*scope, *_block_is_free(place, others))
        oldest = oldest.order_by(runs.c.id).limit(1).with_for_update(skip_locked=True)  # SQLite's writers are alone
        now, token = utc_now(), uuid.uuid4().hex
        take = (
            update(runs)
            .values(
                state="starting",
                attempt=token,
                attempts=runs.c.attempts + 1,
                claimed_at=now,
                lease_until=utc_now(plus_seconds=lease_seconds),
            )
            .returning(runs.c.id, runs.c.attempts, runs.c.spec, runs.c.config_hash, runs.c.seed)
        )
        with self.db.write() as connection:
            if place is not None and self._is_busy(connection, place):
                return None
            found = connection.execute(oldest).one_or_none()
            if found is None:
                return None
            near = None if place is not None else self._host_of_block(connection, found.study_id, found.block)
            row = connection.execute(take.where(runs.c.id == found.id)).one()
            attempt = {
                "token": token,
                "run_id": row.id,
                "number": row.attempts,
                "config": row.spec,
                "config_hash": row.config_hash,
                "seed": row.seed,
                "owner_pid": owner.pid,
                "owner_start_time": owner.start_time,
                "claimed_at": now,
            }
            connection.execute(insert(attempts).values(**attempt))
            placement = {"attempt": token, "placer": placer, **_place_row(place)}
            connection.execute(insert(placements).values(**placement))
        return Claim(run_id=row.id, token=token, spec=RunSpec.model_validate(row.spec), place=place, near=near)

    def is_waiting(self, *, study_id: int | None = None, run_ids: Collection[int] | None = None) -> bool:
        """True while a run of the scope is queued; read only, for a dispatcher that has nothing to do."""
        query = select(runs.c.id).where(*queued_in(study_id, run_ids)).limit(1)
        with self.db.read() as connection:
            return connection.execute(query).first() is not None

    def begin(self, token: str, owner: ProcessId, place: Place, *, lease_seconds: float) -> Claim | Refusal:
        """Take up an attempt that an engine has delivered to `place`: of all deliveries one, and one run a place.

        From then on `owner`, a process of that host, is the one writer of the run. A place that the claim named stays.
        """
        now = utc_now()
        query = select(runs.c.id, runs.c.state, runs.c.spec, placements)
        query = query.join(placements, placements.c.attempt == runs.c.attempt).where(runs.c.attempt == token)
        mine = update(placements).where(placements.c.attempt == token)
        with self.db.write() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return Refusal.OVER
            taken = _place_of(row.host, row.cpu_set)
            if row.begun_at is not None or row.state not in LIVE or row.state == "cancelling":
                connection.execute(mine.values(deliveries=placements.c.deliveries + 1))
                return Refusal.OVER
            if taken is None and self._is_busy(connection, place):
                return Refusal.BUSY
            place = taken or place
            begun = {"deliveries": placements.c.deliveries + 1, "begun_at": now, **_place_row(place)}
            connection.execute(mine.values(**begun))
            who = {"owner_pid": owner.pid, "owner_start_time": owner.start_time}
            connection.execute(update(attempts).where(attempts.c.token == token).values(**who))
            lease = utc_now(plus_seconds=lease_seconds)
            connection.execute(update(runs).where(runs.c.attempt == token).values(lease_until=lease))
        return Claim(run_id=row.id, token=token, spec=RunSpec.model_validate(row.spec), place=place)

    def hold(self, token: str, *, lease_seconds: float) -> RunState | None:
        """Renew the lease of an attempt that waits in its engine: its state, None once it was taken up or is over."""
        waiting = select(placements.c.attempt).where(placements.c.attempt == token, placements.c.begun_at.is_(None))
        renew = (
            update(runs)
            .where(runs.c.attempt == token, runs.c.state.in_(LIVE), runs.c.attempt.in_(waiting))
            .values(lease_until=utc_now(plus_seconds=lease_seconds))
            .returning(runs.c.state)
        )
        with self.db.write() as connection:
            state: RunState | None = connection.execute(renew).scalar_one_or_none()
        return state

    @staticmethod
    def _host_of_block(connection: Connection, study_id: int | None, block: int | None) -> str | None:
        """The host on which the last run of a block was begun."""
        query = select(placements.c.host).join(runs, runs.c.attempt == placements.c.attempt)
        query = query.where(runs.c.study_id == study_id, runs.c.block == block, placements.c.host.is_not(None))
        host: str | None = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).scalar_one_or_none()
        return host

    @staticmethod
    def _is_busy(connection: Connection, place: Place) -> bool:
        """True while a run is live on CPUs of `place`; an expired lease frees nothing, its burial does."""
        query = select(placements.c.host, placements.c.cpu_set)
        query = query.join(runs, runs.c.attempt == placements.c.attempt).where(runs.c.state.in_(LIVE))
        others = (_place_of(row.host, row.cpu_set) for row in connection.execute(query))
        return any(other is not None and other.overlaps(place) for other in others)


def _block_is_free(place: Place | None, others: Collection[Place]) -> list[ColumnElement[bool]]:
    """No run of the block is placed at one of `others`; where the engine chooses, none whose place is still unknown."""
    partner, placed = runs.alias("partner"), placements.alias("placed")
    if place is None:
        elsewhere = and_(placed.c.host.is_(None), partner.c.state.in_(LIVE))
    elif others:
        elsewhere = or_(*(_is_at(placed, other) for other in others))
    else:
        return []
    query = select(partner.c.id).join(placed, placed.c.attempt == partner.c.attempt)
    query = query.where(partner.c.study_id == runs.c.study_id, partner.c.block == runs.c.block, elsewhere)
    return [~query.exists()]


def _is_at(placed: Any, place: Place) -> ColumnElement[bool]:
    cpus = placed.c.cpu_set.is_(None) if place.cpus is None else placed.c.cpu_set == write_cpus(place.cpus)
    return and_(placed.c.host == place.host, cpus)


def _place_row(place: Place | None) -> dict[str, str | None]:
    if place is None:
        return {"host": None, "cpu_set": None}
    return {"host": place.host, "cpu_set": None if place.cpus is None else write_cpus(place.cpus)}


def _place_of(host: str | None, cpu_set: str | None) -> Place | None:
    if host is None:
        return None
    return Place(host, None if cpu_set is None else read_cpus(cpu_set))
