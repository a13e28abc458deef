"""What runs left behind: attempts, samples, histograms, violations, and all of it together for a comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from server.models import attempts, histograms, runs, samples, violations
from server.schemas import Attempt, Result, Sample, StateReason
from server.states import RunState
from server.store.errors import NotFoundError
from server.store.rows import select_histograms, to_attempt, to_histogram
from server.store.runs import Runs
from workers.outcome import Histogram, Violation

LIFE = ("state", "attempts", "created_at", "claimed_at", "running_at", "finished_at")


@dataclass(frozen=True)
class Life:
    """How far a run is: its state, the moments of those before, and samples of its last attempt."""

    run_id: int
    state: RunState
    state_reason: StateReason | None
    attempts: int
    created_at: str
    claimed_at: str | None
    running_at: str | None
    finished_at: str | None
    samples: list[Sample]


class Results(Runs):
    """The part of the store that shows what came out of runs."""

    def attempts_of(self, run_id: int) -> list[Attempt]:
        """Every start of a run, first to last. Raises NotFoundError for the run."""
        with self.db.read() as connection:
            self._attempt_of(connection, run_id)
            query = select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number)
            return [to_attempt(row) for row in connection.execute(query)]

    def life_of(self, run_id: int, *, samples_of: int, after_ns: int, limit: int) -> Life:
        """How far a run is, of one moment. Samples come after `after_ns`, or from the first where the last attempt is
        not number `samples_of`, in order of time, up to `limit`. Raises NotFoundError.
        """
        query = select(*(runs.c[name] for name in LIFE), runs.c.attempt, runs.c.reason_code, runs.c.reason)
        with self.db.read() as connection:
            row = connection.execute(query.where(runs.c.id == run_id)).one_or_none()
            if row is None:
                raise NotFoundError("run", run_id)
            since = after_ns if row.attempts == samples_of else 0
            newer = select(samples).where(samples.c.attempt == (row.attempt or ""), samples.c.at_ns > since)
            found = connection.execute(newer.order_by(samples.c.at_ns).limit(limit)).all()
        return Life(
            run_id=run_id,
            state_reason=None if row.reason_code is None else StateReason(code=row.reason_code, sentence=row.reason),
            samples=[Sample(at_ns=each.at_ns, figures=each.figures) for each in found],
            **{name: row._mapping[name] for name in LIFE},
        )

    def samples_of(self, run_id: int, *, limit: int, after_ns: int | None = None) -> tuple[list[Sample], int | None]:
        """Samples of the last attempt in order of time; and the `after_ns` of the next page, None at the end."""
        with self.db.read() as connection:
            token = self._attempt_of(connection, run_id)
            conditions: list[ColumnElement[bool]] = [samples.c.attempt == token]
            if after_ns is not None:
                conditions.append(samples.c.at_ns > after_ns)
            query = select(samples).where(*conditions).order_by(samples.c.at_ns).limit(limit + 1)
            found = [Sample(at_ns=row.at_ns, figures=row.figures) for row in connection.execute(query)]
        return found[:limit], found[limit - 1].at_ns if len(found) > limit else None

    def histograms_of(self, run_id: int) -> dict[str, Histogram]:
        """Histograms of the last attempt by name; empty before an outcome."""
        with self.db.read() as connection:
            token = self._attempt_of(connection, run_id)
            rows = connection.execute(select_histograms([token or ""]))
            return {row.name: to_histogram(row) for row in rows}

    def histogram_of(self, run_id: int, name: str) -> Histogram:
        """One histogram. Raises NotFoundError for the run or the name."""
        with self.db.read() as connection:
            token = self._attempt_of(connection, run_id)
            query = select_histograms([token or ""]).where(histograms.c.name == name)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError("histogram", f"{name!r} of run {run_id}")
        return to_histogram(row)

    def violations_of(self, run_id: int) -> list[Violation]:
        """Laws that the last attempt broke."""
        with self.db.read() as connection:
            return self._violations(connection, [self._attempt_of(connection, run_id) or ""])[0]

    def results_of(self, run_ids: Sequence[int]) -> list[Result]:
        """Runs with all that a comparison takes, in the order asked. Raises NotFoundError."""
        found = self.get_runs(run_ids)
        with self.db.read() as connection:
            tokens = select(runs.c.id, runs.c.attempt).where(runs.c.id.in_(run_ids))
            token_of = {row.id: row.attempt or "" for row in connection.execute(tokens)}
            known = list(token_of.values())
            pairs = select(attempts.c.token, attempts.c.environment).where(attempts.c.token.in_(known))
            environment = {row.token: row.environment or {} for row in connection.execute(pairs)}
            curves: dict[str, dict[str, Histogram]] = defaultdict(dict)
            for row in connection.execute(select_histograms(known)):
                curves[row.attempt][row.name] = to_histogram(row)
            broken = dict(zip(known, self._violations(connection, known), strict=True))
        return [
            Result(
                run=run,
                environment=environment.get(token_of[run.id], {}),
                histograms=curves.get(token_of[run.id], {}),
                violations=broken[token_of[run.id]],
            )
            for run in found
        ]

    @staticmethod
    def _violations(connection: Connection, tokens: Sequence[str]) -> list[list[Violation]]:
        found: dict[str, list[Violation]] = defaultdict(list)
        query = select(violations).where(violations.c.attempt.in_(tokens)).order_by(violations.c.id)
        for row in connection.execute(query):
            found[row.attempt].append(Violation(**{name: row._mapping[name] for name in Violation.model_fields}))
        return [found[token] for token in tokens]

    @staticmethod
    def _attempt_of(connection: Connection, run_id: int) -> str | None:
        row = connection.execute(select(runs.c.attempt).where(runs.c.id == run_id)).one_or_none()
        if row is None:
            raise NotFoundError("run", run_id)
        token: str | None = row.attempt
        return token
