"""The machines that runs were measured on, and how much noise an A/A comparison found on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from server.db import Database, utc_now
from server.models import calibrations, hosts, runs
from server.schemas import Calibration, Host
from server.store.errors import NotFoundError

KEPT = 20  # calibrations shown of a host, newest first


def note_host(connection: Connection, environment: dict[str, Any], now: str) -> None:
    """Keep the host of an outcome's environment, in the transaction that keeps the outcome."""
    name = environment.get("host")
    if not isinstance(name, str) or not name:
        return
    seen = {"last_seen": now, "environment": environment}
    if not connection.execute(update(hosts).where(hosts.c.name == name[:255]).values(**seen)).rowcount:
        connection.execute(insert(hosts).values(name=name[:255], first_seen=now, **seen))


class Hosts:
    """The part of the store that knows of hosts."""

    db: Database

    def list_hosts(self) -> list[Host]:
        """Every host with its newest calibrations, the one that was seen last first."""
        with self.db.read() as connection:
            rows = connection.execute(select(hosts).order_by(hosts.c.last_seen.desc(), hosts.c.id)).all()
            return self._to_hosts(connection, rows)

    def get_host(self, name: str) -> Host:
        """One host. Raises NotFoundError."""
        with self.db.read() as connection:
            rows = connection.execute(select(hosts).where(hosts.c.name == name)).all()
            if not rows:
                raise NotFoundError("host", repr(name))
            return self._to_hosts(connection, rows)[0]

    def add_calibration(self, host: str, study_id: int, result: dict[str, Any]) -> Calibration:
        """Keep what an A/A comparison found on a host. Raises NotFoundError for a host that nothing was measured on."""
        now = utc_now()
        with self.db.write() as connection:
            host_id = connection.execute(select(hosts.c.id).where(hosts.c.name == host)).scalar_one_or_none()
            if host_id is None:
                raise NotFoundError("host", repr(host))
            row = {"host_id": host_id, "study_id": study_id, "created_at": now, "result": result}
            new = connection.execute(insert(calibrations).values(**row).returning(calibrations.c.id)).scalar_one()
        return Calibration(id=new, study_id=study_id, created_at=now, result=result)

    @staticmethod
    def _to_hosts(connection: Connection, rows: Sequence[Row[Any]]) -> list[Host]:
        names = [row.name for row in rows]
        counted = select(runs.c.host, func.count()).where(runs.c.host.in_(names)).group_by(runs.c.host)
        number: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
        found = []
        for row in rows:
            newest = select(calibrations).where(calibrations.c.host_id == row.id)
            of_host = connection.execute(newest.order_by(calibrations.c.id.desc()).limit(KEPT))
            found.append(
                Host(
                    name=row.name,
                    first_seen=row.first_seen,
                    last_seen=row.last_seen,
                    runs=number.get(row.name, 0),
                    environment=row.environment or {},
                    calibrations=[
                        Calibration(id=each.id, study_id=each.study_id, created_at=each.created_at, result=each.result)
                        for each in of_host
                    ],
                )
            )
        return found
