"""`python -m bench.database DATABASE --runs 100000`: a results database as a lab has it after years.

Studies of 100 runs (two protocols, 50 blocks), every second of them compared; between them single runs, of which some
failed, were lost or broke a law. Documents have the size and the shape of real ones: a run takes about 12 KB. Rows are
written through the tables, not through the store: a store that makes 100,000 runs one by one takes an hour.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, text

from server.compare import RunFigures, compare_runs
from server.config import Settings
from server.db import Database, upgrade
from server.models import attempts, comparisons, histograms, hosts, metadata, runs, samples, studies, violations, waits
from workers.catalogue import SOUND
from workers.outcome import WAIT_CAUSES, Histogram, Wait
from workers.spec import RunSpec, config_hash

BLOCKS = 50
STUDY_RUNS = 2 * BLOCKS
SCENARIOS = ("thread_fault", "fork_fault", "usemem")
HOSTS = ("lab1", "lab2", "lab3", "lab4")
EVENTS = (
    "operations swap_ins pswpin pswpout pgfault pgmajfault swap_ra swap_ra_hit tick_sleeps swapcache_eexist "
    "swapcache_enoent fault_retry refault_raced zero_fill cow cow_reuse pgsteal pgscan allocstall "
    "swap_full charge_failed"
)
EMPTY_HISTOGRAMS = ("zero_fill", "cow", "swapoff", "fork", "exit")
SHAPES = 40  # histograms that differ; each is used for many runs
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> str:
    """Seconds after the first day, as the database writes times."""
    return (FIRST_DAY + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shape(chance: random.Random, buckets: int) -> Histogram:
    """A latency histogram of log-linear buckets around a few us with a long tail."""
    lower: list[int] = []
    at = 500 + chance.randrange(200)
    for _ in range(buckets):
        lower.append(at)
        at += max(16, at // 24)
    counts = [max(1, int(chance.gauss(60, 15) * 200 / (1 + abs(i - buckets / 4)) ** 2)) for i in range(buckets)]
    upper = [*lower[1:], at]
    total = sum(counts)
    spent = sum(a * n for a, n in zip(lower, counts, strict=True))
    return Histogram(lower_ns=lower, upper_ns=upper, counts=counts, total=total, sum_ns=spent, max_ns=upper[-1] - 1)


class Lab:
    """Makes rows, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.swap_in = [shape(self.chance, 290) for _ in range(SHAPES)]
        self.reclaim = [shape(self.chance, 130) for _ in range(SHAPES)]
        self.laws = [f"Q{number}" for number in range(1, 36)]

    def metrics(self, protocol: str) -> dict[str, Any]:
        """Figures of a run; has_cache pays for its sleeps."""
        scale = self.chance.lognormvariate(0, 0.05) * (1.2 if protocol == "has_cache" else 1.0)
        operations = int(2_000_000 / scale)
        return {
            "p50_ns": 5503.353032659409 * scale,
            "p90_ns": 5821.139393939394 * scale,
            "p99_ns": (4_000_000.0 if protocol == "has_cache" else 291_246.08) * scale,
            "p999_ns": 6_000_000.5 * scale,
            "p9999_ns": None,
            "throughput_ops_s": operations / 10,
            "operations": operations,
            "swap_ins": operations // 2,
            "tick_sleeps": self.chance.randrange(900) if protocol == "has_cache" else 0,
            "elapsed_ns": 10_015_572_304,
            "cpu_ns": 39_153_934_000,
        }

    def environment(self, host: str) -> dict[str, Any]:
        """Circumstances of a host."""
        return {
            "git_sha": "5c4cec74854539ef74c544c2f048d8aa9f2fa3f1",
            "git_dirty": False,
            "build": {"layout_version": 1, "compiler": "12.2.0", "optimized": True},
            "kernel": "6.18.4",
            "machine": "x86_64",
            "cpu_model": "AMD EPYC 9654 96-Core Processor",
            "cores": 96,
            "cores_usable": 96,
            "governor": "performance",
            "clock_source": "tsc",
            "tsc_invariant": True,
            "load_average": [6.33544921875, 5.47314453125, 3.35009765625],
            "python": "3.11.7",
            "host": host,
        }

    def waits(self) -> dict[str, Wait]:
        """How long was waited for what."""
        return {
            cause: Wait(count=self.chance.randrange(10_000), total_ns=self.chance.randrange(10**9), max_ns=4_100_000)
            for cause in WAIT_CAUSES
        }


class Rows:
    """Rows of some runs, by table, in the order in which they may be inserted."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.tables: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (studies, runs, attempts, samples, histograms, violations, waits, comparisons)
        }

    def add_study(self, study_id: int, first: int) -> list[RunFigures]:
        """A study and its runs; the figures that a comparison of it takes."""
        chance = self._lab.chance
        names = chance.sample(SOUND, 2)
        fields = {"scenario": chance.choice(SCENARIOS), "cpus": chance.choice((2, 4, 8, 16)), "seconds": 10.0}
        specs = [RunSpec.model_validate({"protocol": name, **fields}) for name in names]
        row = {
            "id": study_id,
            "name": f"{names[0]} against {names[1]}",
            "arms": [{"name": spec.protocol, "spec": spec.model_dump(mode="json")} for spec in specs],
            "repeats": BLOCKS,
            "seed": 1,
            "created_at": moment(first * 12),
        }
        self.tables[studies].append(row)
        host = chance.choice(HOSTS)
        figures = []
        for offset in range(STUDY_RUNS):
            spec = specs[offset % 2].model_copy(update={"seed": 1 + offset // 2})
            place = {"study_id": study_id, "arm": spec.protocol, "block": offset // 2, "position": offset % 2}
            figures.append(self.add_run(first + offset, spec, host, **place))
        return figures

    def add_run(self, run_id: int, spec: RunSpec, host: str, **place: Any) -> RunFigures:
        """A run that is over, with all that it left."""
        lab, chance = self._lab, self._lab.chance
        bad = chance.random() < 0.03
        state = chance.choice(("failed", "lost", "cancelled", "timed_out")) if bad else "succeeded"
        token = f"{run_id:032x}"
        metrics = lab.metrics(spec.protocol)
        dumped = spec.model_dump(mode="json")
        at = {name: moment(run_id * 12 + plus) for name, plus in TIMES.items()}
        of = {"seed": spec.seed, "config_hash": config_hash(spec)}
        listed = {name: None if bad else metrics[name] for name in ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")}
        row = {name: dumped[name] for name in ("protocol", "scenario", "executor", "cpus")}
        row |= {"id": run_id, "state": state, "spec": dumped, "attempts": 1, "attempt": token, "host": host, **of, **at}
        row |= {"reason_code": "completed", "reason": "the run is through, and every law that was checked held"}
        empty: dict[str, Any] = {"study_id": None, "arm": None, "block": None, "position": None}
        self.tables[runs].append({**empty, **row, **place, **listed})
        environment = lab.environment(host)
        self._add_attempt(run_id, token, state, dumped, {**of, **at}, metrics, environment)
        swap_in, reclaim, causes = chance.choice(lab.swap_in), chance.choice(lab.reclaim), lab.waits()
        if not bad:
            self._add_results(token, swap_in, reclaim, causes)
        elif state == "failed":
            broken = {"attempt": token, "law": "Q15", "sentence": "A load sees the last store.", "count": 2}
            self.tables[violations].append({**broken, "detail": "page 3: version 4, not 5", "schedule": None})
        return RunFigures(
            run_id=run_id,
            block=place.get("block"),
            seed=spec.seed,
            config={name: value for name, value in dumped.items() if name != "seed"},
            environment=environment,
            valid=True,
            metrics=metrics,
            waits=causes,
            histograms={"swap_in": swap_in},
        )

    def _add_attempt(
        self,
        run_id: int,
        token: str,
        state: str,
        config: dict[str, Any],
        of: dict[str, Any],
        metrics: dict[str, Any],
        environment: dict[str, Any],
    ) -> None:
        told = {name: of[name] for name in ("seed", "config_hash", "claimed_at", "running_at", "finished_at")}
        row = {"token": token, "run_id": run_id, "number": 1, "config": config, "status": state, **told}
        row |= {"owner_pid": 4711, "owner_start_time": 1, "elapsed_ns": 10_015_572_304, "environment": environment}
        events = {name: self._lab.chance.randrange(100_000) for name in EVENTS.split()}
        good = state == "succeeded"
        row |= {"metrics": metrics if good else None, "events": events if good else None}
        self.tables[attempts].append({**row, "laws_checked": self._lab.laws if good else None})

    def _add_results(self, token: str, swap_in: Histogram, reclaim: Histogram, causes: dict[str, Wait]) -> None:
        nothing = Histogram(lower_ns=[], upper_ns=[], counts=[], total=0, sum_ns=0, max_ns=0)
        curves = {"swap_in": swap_in, "reclaim": reclaim, **dict.fromkeys(EMPTY_HISTOGRAMS, nothing)}
        for name, curve in curves.items():
            buckets = [list(each) for each in zip(curve.lower_ns, curve.upper_ns, curve.counts, strict=True)]
            total = {"total": curve.total, "sum_ns": curve.sum_ns, "max_ns": curve.max_ns}
            self.tables[histograms].append({"attempt": token, "name": name, "buckets": buckets, **total})
        self.tables[waits] += [{"attempt": token, "cause": cause, **dict(wait)} for cause, wait in causes.items()]
        self.tables[samples] += [
            {"attempt": token, "at_ns": second * 10**9, "figures": {"operations": second * 200_000, "p99_ns": 291_246}}
            for second in range(10)
        ]

    def write(self, connection: Connection) -> None:
        """Insert all rows and forget them."""
        for table, rows in self.tables.items():
            if rows:
                connection.execute(insert(table), rows)
            rows.clear()


TIMES = {"created_at": 0, "claimed_at": 1, "running_at": 1.2, "finished_at": 11.4}


def fill(database: Database, number: int, seed: int = 1) -> Iterator[int]:
    """Insert `number` runs; tells how many are there as it goes."""
    lab = Lab(seed)
    rows = Rows(lab)
    with database.write() as connection:
        seen = {"first_seen": moment(0), "last_seen": moment(number * 12)}
        listed = [{"name": name, "environment": lab.environment(name), **seen} for name in HOSTS]
        connection.execute(insert(hosts), listed)
    made, study_id = 0, 0
    while made < number:
        study_id += 1
        figures = rows.add_study(study_id, made + 1)
        made += STUDY_RUNS
        if study_id % 2 == 0:
            _compare(rows, study_id, made, figures)
        with database.write() as connection:
            rows.write(connection)
        yield made
    if database.is_postgresql:  # which counts ids apart from the rows, and looks at tables by itself some time later
        with database.write() as connection:
            for table in metadata.tables.values():
                if "id" in table.c:
                    told = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                    connection.execute(text(told))
            connection.execute(text("ANALYZE"))


def _compare(rows: Rows, study_id: int, made: int, figures: list[RunFigures]) -> None:
    """A stored comparison of a study's two arms."""
    sides = figures[0::2], figures[1::2]
    row = {
        "created_at": moment(made * 12 + 20),
        "study_id": study_id,
        "baseline": sides[0][0].config["protocol"],
        "candidate": sides[1][0].config["protocol"],
        "baseline_runs": [each.run_id for each in sides[0]],
        "candidate_runs": [each.run_id for each in sides[1]],
        "result": compare_runs(*sides).model_dump(mode="json"),
    }
    rows.tables[comparisons].append(row)


def make(database: str, number: int) -> None:
    """Make a database of `number` runs and tell how it goes on standard error."""
    url = Settings(database=database).database_url
    upgrade(url)
    opened = Database(url)
    started = time.monotonic()
    try:
        for made in fill(opened, number):
            if made % 10_000 < STUDY_RUNS:
                print(f"{made:,} runs, {time.monotonic() - started:.0f} s", file=sys.stderr)
    finally:
        opened.close()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("database", help="a file that is not there yet, or the URL of an empty PostgreSQL database")
    parser.add_argument("--runs", type=int, default=100_000, help="how many runs (default 100000)")
    options = parser.parse_args()
    make(options.database, options.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
