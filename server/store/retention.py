"""Which runs and explorations may go, by age and by size; what a baseline or a comparison names stays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, func, literal, select, text, union_all

from server.db import Database, utc_now
from server.exploring.states import TERMINAL as EXPLORED
from server.models import (
    attempts,
    baseline_runs,
    comparisons,
    explorations,
    idempotency_keys,
    metadata,
    replays,
    runs,
    studies,
)
from server.states import TERMINAL

RUNS_AT_ONCE = 200  # deleted in one transaction: others write in between
DAY_SECONDS = 86_400.0
OVER = {runs.name: TERMINAL, explorations.name: EXPLORED}  # states that nothing leaves


@dataclass(frozen=True)
class Kept:
    """What is to be kept: runs and explorations that ended within `days`, and no more than `size_bytes` of them; None:
    without limit."""

    days: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Pruned:
    """What was, or would be, pruned. Sizes are of what is stored, without room that a file holds for later."""

    runs: int
    protected: int  # runs that the limits name, and that a baseline or a comparison keeps
    size_bytes: int
    freed_bytes: int  # an estimate by the mean size of a run or exploration
    explorations: int = 0


class Retention:
    """The part of the store that forgets."""

    db: Database

    def stored_bytes(self) -> int:
        """Bytes that the rows take: pages in use of SQLite's file, or the rows of PostgreSQL's tables."""
        with self.db.read() as connection:
            if not self.db.is_postgresql:
                used = "(SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
                return int(
                    connection.exec_driver_sql(f"SELECT ({used}) * page_size FROM pragma_page_size").scalar_one()
                )
            sums = (f'SELECT coalesce(sum(pg_column_size(t)), 0) AS n FROM "{name}" t' for name in metadata.tables)
            return int(connection.execute(text(f"SELECT sum(n) FROM ({' UNION ALL '.join(sums)}) AS s")).scalar_one())

    def prune(self, keep: Kept, *, dry_run: bool = False) -> Pruned:
        """Delete the runs and explorations that `keep` does not keep, oldest first, with all that hangs on them.

        Live and queued runs stay, and so do those that a baseline or a comparison names. Studies that this empties go
        too, unless something names them.
        """
        size = self.stored_bytes()
        with self.db.read() as connection:
            number = sum(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (runs, explorations)
            )
            protected, seen = _protected(connection)
            named = list(_too_old(connection, keep, runs))
            explored = list(_too_old(connection, keep, explorations))
            going = [run_id for run_id in named if run_id not in protected]
            each = size / number if number else 0.0
            if keep.size_bytes is not None and each:
                wanted = math.ceil((size - keep.size_bytes) / each) - len(going) - len(explored)
                more_runs, more_explored = _oldest(connection, wanted, protected | set(going), set(explored))
                going, explored = going + more_runs, explored + more_explored
        if not dry_run:
            for first in range(0, len(going), RUNS_AT_ONCE):
                with self.db.write() as connection:
                    since, seen = _protected(connection, seen)
                    _delete_runs(connection, [i for i in going[first : first + RUNS_AT_ONCE] if i not in since])
            for first in range(0, len(explored), RUNS_AT_ONCE):
                with self.db.write() as connection:
                    _delete_explorations(connection, explored[first : first + RUNS_AT_ONCE])
            if going or explored:
                self._forget_the_rest(keep)
        kept = sum(run_id in protected for run_id in named)
        freed = round(each * (len(going) + len(explored)))
        return Pruned(len(going), protected=kept, size_bytes=size, freed_bytes=freed, explorations=len(explored))

    def learn(self) -> None:
        """Have SQLite look at how many runs share a protocol, a state, a host: without, it takes an index for all of
        them and sorts half the table. PostgreSQL looks by itself."""
        if not self.db.is_postgresql:
            with self.db.write() as connection:
                connection.exec_driver_sql("ANALYZE runs")

    def shrink(self) -> None:
        """Give the room of deleted rows back: SQLite rewrites its file; PostgreSQL uses the room again by itself."""
        if not self.db.is_postgresql:
            self.db.vacuum()

    def _forget_the_rest(self, keep: Kept) -> None:
        named = [table for table in metadata.tables.values() if table is not runs and _refers_to(table, studies)]
        empty = select(studies.c.id).where(~select(runs.c.id).where(runs.c.study_id == studies.c.id).exists())
        for table in named:
            (key,) = _refers_to(table, studies)
            empty = empty.where(~select(table.c[key]).where(table.c[key] == studies.c.id).exists())
        with self.db.write() as connection:
            connection.execute(delete(studies).where(studies.c.id.in_(empty)))
            if keep.days is not None:
                before = utc_now(plus_seconds=-keep.days * DAY_SECONDS)
                connection.execute(delete(replays).where(replays.c.created_at < before))
                connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < before))


def _refers_to(table: Table, target: Table) -> list[str]:
    """The columns of `table` that hold keys of `target`."""
    return [key.parent.name for key in table.foreign_keys if key.column.table is target]


def _protected(connection: Connection, after: int = 0) -> tuple[set[int], int]:
    """Runs that a baseline, or a comparison with an id beyond `after`, names; and the id of the last comparison."""
    found = set(connection.execute(select(baseline_runs.c.run_id)).scalars())
    sides = select(comparisons.c.id, comparisons.c.baseline_runs, comparisons.c.candidate_runs)
    for row in connection.execute(sides.where(comparisons.c.id > after).order_by(comparisons.c.id)):
        found.update(row.baseline_runs, row.candidate_runs)
        after = row.id
    return found, after


def _too_old(connection: Connection, keep: Kept, table: Table) -> Iterator[int]:
    """Ids of the runs, or of the explorations, that ended too long ago."""
    if keep.days is None:
        return
    before = utc_now(plus_seconds=-keep.days * DAY_SECONDS)
    over = table.c.state.in_(OVER[table.name])
    yield from connection.execute(select(table.c.id).where(over, table.c.finished_at < before)).scalars()


def _oldest(
    connection: Connection, number: int, without_runs: set[int], without_explorations: set[int]
) -> tuple[list[int], list[int]]:
    """Up to `number` of the runs and explorations that are over, by when they ended."""
    found: dict[str, list[int]] = {name: [] for name in OVER}
    left_out = {runs.name: without_runs, explorations.name: without_explorations}
    if number > 0:
        each = [
            select(literal(table.name).label("of"), table.c.finished_at.label("ended"), table.c.id.label("id")).where(
                table.c.state.in_(OVER[table.name])
            )
            for table in (runs, explorations)
        ]
        both = union_all(*each).subquery()
        for row in connection.execute(select(both).order_by(both.c.ended, both.c.id)):
            if row.id not in left_out[row.of]:
                found[row.of].append(row.id)
            if sum(map(len, found.values())) == number:
                break
    return found[runs.name], found[explorations.name]


def _delete_runs(connection: Connection, run_ids: list[int]) -> None:
    """Delete runs and every row that hangs on them or on their attempts, whichever table holds it."""
    tokens = select(attempts.c.token).where(attempts.c.run_id.in_(run_ids))
    for table in reversed(metadata.sorted_tables):
        for key in _refers_to(table, attempts):
            connection.execute(delete(table).where(table.c[key].in_(tokens)))
    for table in reversed(metadata.sorted_tables):
        for key in _refers_to(table, runs) if table is not baseline_runs else ():
            connection.execute(delete(table).where(table.c[key].in_(run_ids)))
    connection.execute(delete(runs).where(runs.c.id.in_(run_ids)))


def _delete_explorations(connection: Connection, ids: list[int]) -> None:
    """Delete explorations and every row that hangs on them."""
    for table in reversed(metadata.sorted_tables):
        for key in _refers_to(table, explorations):
            connection.execute(delete(table).where(table.c[key].in_(ids)))
    connection.execute(delete(explorations).where(explorations.c.id.in_(ids)))
