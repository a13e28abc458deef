"""The lists that can be filtered, and the fields that each allows: nothing else of the database can be asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import ColumnElement, Integer, cast, exists, func, select

from server.exploring.states import STATES as EXPLORATION_STATES
from server.filters.fields import Field
from server.load import Shape
from server.models import (
    attempts,
    baseline_runs,
    baselines,
    comparisons,
    explorations,
    findings,
    load_tests,
    runs,
    studies,
    violations,
)
from server.states import STATES
from workers.exploration import ExplorationSpec
from workers.spec import DeviceSpec, RunSpec, Scenario


@dataclass(frozen=True)
class FilteredList:
    """A list with the fields that a filter may name, and those of them in which bare words are looked for."""

    fields: dict[str, Field]
    searched: tuple[str, ...]

    def near(self, name: str) -> str:
        """What would be right for a field that is none: the nearest name, else all of them."""
        close = difflib.get_close_matches(name, self.fields, n=1)
        return f"did you mean {close[0]}?" if close else f"fields are {', '.join(self.fields)}"


def _list(fields: list[Field], searched: tuple[str, ...]) -> FilteredList:
    return FilteredList({field.name: field for field in fields}, searched)


def _column(column: ColumnElement[Any]) -> Callable[[], ColumnElement[Any]]:
    return lambda: column


def _metric(name: str) -> Callable[[], ColumnElement[Any]]:
    """A figure: its column where lists keep one, else out of the metrics of the last attempt."""
    if name in runs.c:
        return _column(runs.c[name])
    return lambda: attempts.c.metrics[name].as_float()


def _spec(*path: str) -> Callable[[], ColumnElement[Any]]:
    return lambda: runs.c.spec[path].as_string()


def _spec_number(*path: str) -> Callable[[], ColumnElement[Any]]:
    return lambda: runs.c.spec[path].as_float()


def _environment(name: str) -> Callable[[], ColumnElement[Any]]:
    return lambda: attempts.c.environment[name].as_string()


def _study_name() -> ColumnElement[Any]:
    return select(studies.c.name).where(studies.c.id == runs.c.study_id).scalar_subquery()


def _violated() -> ColumnElement[Any]:
    of_run = select(func.coalesce(func.sum(violations.c.count), 0)).where(violations.c.attempt == runs.c.attempt)
    return cast(of_run.scalar_subquery(), Integer)


def _broke_law(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(violations.c.attempt == runs.c.attempt, condition)


def _in_baseline(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(baseline_runs.c.run_id == runs.c.id, baselines.c.id == baseline_runs.c.baseline_id, condition)


def _found_law(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(findings.c.exploration_id == explorations.c.id, condition)


def _found() -> ColumnElement[Any]:
    number = select(func.count()).select_from(findings).where(findings.c.exploration_id == explorations.c.id)
    return number.scalar_subquery()


def _choices(model: type[RunSpec] | type[DeviceSpec] | type[ExplorationSpec], field: str) -> tuple[str, ...]:
    return tuple(map(str, get_args(model.model_fields[field].annotation)))


def _who_and_what() -> list[Field]:
    return [
        Field("id", "number", "number of the run", _column(runs.c.id), is_whole=True),
        Field("state", "choice", "state it is in", _column(runs.c.state), choices=STATES),
        Field("reason", "text", "code of why it is in its state, such as law_violated", _column(runs.c.reason_code)),
        Field("sentence", "text", "the same as a sentence", _column(runs.c.reason)),
        Field("protocol", "text", "protocol", _column(runs.c.protocol)),
        Field("scenario", "choice", "workload", _column(runs.c.scenario), choices=get_args(Scenario)),
        Field("executor", "choice", "executor", _column(runs.c.executor), choices=_choices(RunSpec, "executor")),
        Field("cpus", "number", "emulated CPUs", _column(runs.c.cpus), is_whole=True),
        Field("seed", "number", "seed", _column(runs.c.seed), is_whole=True),
        Field("seconds", "seconds", "measured time that was asked for", _spec_number("seconds")),
        Field("hz", "number", "ticks a second", _spec_number("hz"), is_whole=True),
        Field("device", "choice", "kind of swap device", _spec("device", "kind"), choices=_choices(DeviceSpec, "kind")),
        Field("read_ns", "time_ns", "time of a device read", _spec_number("device", "read_ns")),
        Field("write_ns", "time_ns", "time of a device write", _spec_number("device", "write_ns")),
        Field("lock", "choice", "kind of lock", _spec("lock"), choices=_choices(RunSpec, "lock")),
        Field("laws", "choice", "when laws were checked", _spec("laws"), choices=_choices(RunSpec, "laws")),
        Field("trace", "text", "trace of the scenario trace", _spec("trace")),
        Field("config", "text", "hash of the spec without its seed", _column(runs.c.config_hash)),
    ]


def _where_and_when() -> list[Field]:
    host = _column(runs.c.host) if "host" in runs.c else _environment("host")
    return [
        Field("study", "number", "number of the study it is part of", _column(runs.c.study_id), is_whole=True),
        Field("study_name", "text", "name of that study", _study_name),
        Field("arm", "text", "arm of that study", _column(runs.c.arm)),
        Field("block", "number", "block of that study", _column(runs.c.block), is_whole=True),
        Field("baseline", "text", "name of a baseline that holds it", _column(baselines.c.name), within=_in_baseline),
        Field("retry_of", "number", "number of the run that it repeats", _column(runs.c.retry_of), is_whole=True),
        Field("attempts", "number", "how often it was started", _column(runs.c.attempts), is_whole=True),
        Field("host", "text", "host that it was measured on", host),
        Field("kernel", "text", "kernel of that host", _environment("kernel")),
        Field("cpu_model", "text", "CPU of that host", _environment("cpu_model")),
        Field("git_sha", "text", "commit of the checkout", _environment("git_sha")),
        Field("law", "text", "law that it broke, such as Q15", _column(violations.c.law), within=_broke_law),
        Field("violations", "number", "how often it broke laws", _violated, is_whole=True),
        Field("created", "moment", "when it was queued", _column(runs.c.created_at)),
        Field("finished", "moment", "when it ended", _column(runs.c.finished_at)),
        Field("age", "age", "time since it was queued", _column(runs.c.created_at)),
    ]


def _figures() -> list[Field]:
    fields = [
        Field("throughput_ops_s", "number", "operations a second", _metric("throughput_ops_s")),
        Field("elapsed_ns", "time_ns", "measured time", _column(attempts.c.elapsed_ns)),
        Field("operations", "number", "operations done", _metric("operations"), is_whole=True),
        Field("swap_ins", "number", "swap-ins done", _metric("swap_ins"), is_whole=True),
        Field("tick_sleeps", "number", "sleeps of one tick", _metric("tick_sleeps"), is_whole=True),
    ]
    for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns"):
        share = f"{name[1:3]}.{name[3:-3]}".rstrip(".")
        fields.append(Field(name, "time_ns", f"latency of a swap-in, {share} % quantile", _metric(name)))
    return fields


RUNS = _list(
    [*_who_and_what(), *_where_and_when(), *_figures()],
    searched=("protocol", "scenario", "arm", "reason", "sentence", "host", "study_name"),
)

STUDIES = _list(
    [
        Field("id", "number", "number of the study", _column(studies.c.id), is_whole=True),
        Field("name", "text", "name", _column(studies.c.name)),
        Field("repeats", "number", "blocks", _column(studies.c.repeats), is_whole=True),
        Field("seed", "number", "seed of the first block", _column(studies.c.seed), is_whole=True),
        Field("created", "moment", "when it was queued", _column(studies.c.created_at)),
        Field("age", "age", "time since it was queued", _column(studies.c.created_at)),
    ],
    searched=("name",),
)

COMPARISONS = _list(
    [
        Field("id", "number", "number of the comparison", _column(comparisons.c.id), is_whole=True),
        Field("study", "number", "number of the study it is of", _column(comparisons.c.study_id), is_whole=True),
        Field("baseline", "text", "arm or baseline that is compared against", _column(comparisons.c.baseline)),
        Field("candidate", "text", "arm that is compared", _column(comparisons.c.candidate)),
        Field("created", "moment", "when it was made", _column(comparisons.c.created_at)),
        Field("age", "age", "time since it was made", _column(comparisons.c.created_at)),
    ],
    searched=("baseline", "candidate"),
)

LOADS = _list(
    [
        Field("id", "number", "number of the load test", _column(load_tests.c.id), is_whole=True),
        Field("name", "text", "what its maker called it", _column(load_tests.c.name)),
        Field("shape", "choice", "shape of the load", _column(load_tests.c.shape), choices=get_args(Shape)),
        Field("users", "number", "most API users at a time", _column(load_tests.c.users), is_whole=True),
        Field(
            "cpu_users", "number", "users that were CPUs of a live run", _column(load_tests.c.cpu_users), is_whole=True
        ),
        Field(
            "run", "number", "number of the run that the CPU users drove", _column(load_tests.c.run_id), is_whole=True
        ),
        Field("requests", "number", "requests and operations", _column(load_tests.c.requests), is_whole=True),
        Field("failures", "number", "how many of them failed", _column(load_tests.c.failures), is_whole=True),
        Field("created", "moment", "when it was kept", _column(load_tests.c.created_at)),
        Field("age", "age", "time since it was kept", _column(load_tests.c.created_at)),
    ],
    searched=("name",),
)

EXPLORATIONS = _list(
    [
        Field("id", "number", "number of the exploration", _column(explorations.c.id), is_whole=True),
        Field("state", "choice", "state it is in", _column(explorations.c.state), choices=EXPLORATION_STATES),
        Field("sentence", "text", "why it is in its state", _column(explorations.c.reason)),
        Field("protocol", "text", "protocol", _column(explorations.c.protocol)),
        Field("scenario", "text", "race", _column(explorations.c.scenario)),
        Field(
            "strategy",
            "choice",
            "strategy that was asked for",
            _column(explorations.c.strategy),
            choices=_choices(ExplorationSpec, "strategy"),
        ),
        Field("seed", "number", "seed", _column(explorations.c.seed), is_whole=True),
        Field("schedules", "number", "schedules played", _column(explorations.c.schedules), is_whole=True),
        Field("seconds", "seconds", "time it took", _column(explorations.c.seconds)),
        Field("schedules_per_second", "number", "schedules a second", _column(explorations.c.schedules_per_second)),
        Field("law", "text", "law that a finding breaks, such as Q11", _column(findings.c.law), within=_found_law),
        Field("findings", "number", "how much it found", _found, is_whole=True),
        Field("host", "text", "host that it was played on", _column(explorations.c.owner_host)),
        Field("created", "moment", "when it was asked for", _column(explorations.c.created_at)),
        Field("finished", "moment", "when it ended", _column(explorations.c.finished_at)),
        Field("age", "age", "time since it was asked for", _column(explorations.c.created_at)),
    ],
    searched=("protocol", "scenario", "sentence", "host"),
)
