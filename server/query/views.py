"""The views that people query: what each row and each column is. docs/database.md lists the same names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One view: what a row of it is, and each column with what it holds."""

    row: str
    columns: dict[str, str]


SHARED = {
    "run_id": "number of the run",
    "study_id": "study that the run belongs to, or NULL",
    "arm": "arm of the study",
    "block": "block of the study: runs of one study and block are a pair, measured one after the other with one seed",
    "protocol": "protocol that was raced",
    "scenario": "workload",
    "state": "queued, starting, running, cancelling, succeeded, failed, timed_out, lost, cancelled; a figure of a run "
    "that has not succeeded is evidence, no measurement",
}
RUN = {
    **SHARED,
    "position": "place in the order of the block, from 0",
    "reason_code": "why the run is in its state, for programs",
    "reason": "the same as a sentence",
    "executor": "processes (real CPUs) or cooperative (one thread)",
    "cpus": "emulated CPUs",
    "seed": "seed of the workload",
    "config_hash": "sha-256 of the canonical spec without its seed: equal for like runs",
    "seconds": "measured time that was asked for, in s",
    "hz": "ticks a second",
    "lock": "word or sem: what a lock is made of",
    "device_kind": "kind of the swap device",
    "device_read_ns": "time of a device read in ns",
    "attempts": "how often the run has been started",
    "created_at": "when it was asked for (RFC 3339, UTC)",
    "claimed_at": "when a dispatcher took it",
    "running_at": "when its gate opened",
    "finished_at": "when it ended",
    "host": "machine that measured it",
    "elapsed_ns": "measured time in ns",
    "throughput_ops_s": "operations a second, all CPUs together",
    "p50_ns": "median latency of a swap-in in ns; a percentile is NULL where too few observations lie beyond it",
    "p90_ns": "90th percentile of it",
    "p99_ns": "99th percentile of it",
    "p999_ns": "99.9th percentile of it",
    "p9999_ns": "99.99th percentile of it",
    "operations": "operations that the CPUs did",
    "swap_ins": "swap-ins among them",
    "tick_sleeps": "sleeps of one tick by CPUs that lost a race",
    "cpu_ns": "CPU time of all workers in ns",
    "violations": "how often laws were broken",
}
STUDY = {
    "study_id": "number of the study",
    "name": "its name",
    "repeats": "blocks",
    "seed": "seed of block 0",
    "created_at": "when it was asked for",
    "arms": "number of arms",
    "runs": "number of runs",
    "succeeded": "runs that succeeded",
    "unsuccessful": "runs that failed, timed out, were lost or cancelled",
    "unfinished": "runs that are queued or live",
}
COMPARISON = {
    "comparison_id": "number of the comparison",
    "created_at": "when it was made",
    "study_id": "study that both arms are of, or NULL",
    "baseline": "name of the arm compared against",
    "candidate": "name of the arm that is compared",
    "metric": "throughput_ops_s, p50_ns, p99_ns, ...",
    "verdict": "improved, regressed, equivalent, inconclusive, not_comparable",
    "reason": "why, where the verdict is not by the figures alone",
    "baseline_value": "median over runs of the baseline",
    "candidate_value": "median over runs of the candidate",
    "change": "candidate over baseline, less 1: -0.3 is 30 % less",
    "ci_low": "lower end of the change's 95 % interval",
    "ci_high": "upper end of it",
    "p": "p-value of the rank test that the interval inverts",
    "p_holm": "the same over all metrics together, which decides",
    "n": "pairs, or runs of the smaller arm",
}
LOAD = {
    "load_test_id": "number of the load test",
    "created_at": "when it was kept",
    "name": "what its maker called it",
    "shape": "constant, ramp, spike, swapoff_storm",
    "users": "most API users at a time",
    "cpu_users": "users that were CPUs of a live run",
    "spawn_rate": "users started a second",
    "workers": "worker processes of Locust; 0: it was one process",
    "elapsed_ns": "from the first request to the last in ns",
    "run_id": "run that the CPU users drove, or NULL",
    "protocol": "protocol of that run",
    "requests": "requests and operations",
    "failures": "how many of them failed",
}
REQUEST = {
    "load_test_id": "number of the load test",
    "created_at": "when it was kept",
    "shape": "as in v_loads",
    "run_id": "run that the CPU users drove, or NULL",
    "kind": "GET, POST ... of the API; CPU: operations of CPU users; RUN: whole runs",
    "name": "address, or operation",
    "requests": "how many",
    "failures": "how many of them failed",
    "sum_ns": "sum of their latencies in ns",
    "max_ns": "the longest in ns",
    "requests_s": "how many a second",
}
EXPLORATION = {
    "exploration_id": "number of the exploration",
    "state": "queued, running, cancelling, clean, found, failed, lost, cancelled",
    "reason": "why, as a sentence",
    "protocol": "protocol that was explored",
    "scenario": "race",
    "strategy": "portfolio, random, pct, pos, bound, dpor",
    "seed": "seed of every choice",
    "created_at": "when it was asked for (RFC 3339, UTC)",
    "started_at": "when it began",
    "finished_at": "when it ended",
    "host": "machine that played it",
    "schedules": "schedules played",
    "steps": "steps of all of them",
    "seconds": "time it took in s",
    "schedules_per_second": "schedules a second",
    "exhausted": "1 where every interleaving was covered, else 0",
    "findings": "how much it found",
}
FINDING = {
    "exploration_id": "number of the exploration",
    "created_at": "when that was asked for",
    "protocol": "protocol that it is of",
    "scenario": "race",
    "number": "place among the findings of its exploration, from 1",
    "kind": "law, deadlock, partial_deadlock, lost_wakeup, livelock, no_progress",
    "law": "law that it breaks",
    "sentence": "what that asks",
    "detail": "where it does not hold",
    "strategy": "strategy that found it",
    "schedules": "schedules until it was found",
    "seconds": "time until it was found in s",
    "steps": "of the shrunk execution",
    "preemptions": "of the shrunk execution",
    "token": "replays it",
}

VIEWS = {
    "v_runs": View("run, with the figures of its last attempt", RUN),
    "v_metrics": View("run and metric", {**SHARED, "metric": "name of the figure", "value": "the figure"}),
    "v_waits": View(
        "run and cause of waiting",
        {
            **SHARED,
            "cause": "what was waited for",
            "count": "how often",
            "total_ns": "time of all waits in ns",
            "max_ns": "the longest in ns",
        },
    ),
    "v_events": View("run and event", {**SHARED, "event": "name of the event", "count": "how often"}),
    "v_histograms": View(
        "run and histogram",
        {
            **SHARED,
            "histogram": "swap_in, fault, reclaim, ...",
            "total": "observations",
            "sum_ns": "their sum in ns",
            "max_ns": "the longest in ns",
        },
    ),
    "v_buckets": View(
        "bucket that is not empty",
        {
            **SHARED,
            "histogram": "name of the histogram",
            "lower_ns": "least latency of the bucket in ns",
            "upper_ns": "least latency beyond it in ns",
            "count": "observations in it",
        },
    ),
    "v_samples": View(
        "figure of a second of a run",
        {
            **SHARED,
            "at_ns": "CLOCK_MONOTONIC of the supervisor in ns",
            "figure": "name of the figure",
            "value": "the figure",
        },
    ),
    "v_violations": View(
        "law that a run broke",
        {
            **SHARED,
            "law": "name of the law",
            "sentence": "what it asks",
            "detail": "where it did not hold",
            "count": "how often",
            "schedule": "replays it (cooperative runs)",
        },
    ),
    "v_environment": View(
        "run and circumstance", {**SHARED, "key": "kernel, cpu_model, host, governor, ...", "value": "what it was"}
    ),
    "v_studies": View("study", STUDY),
    "v_comparisons": View("comparison and metric", COMPARISON),
    "v_loads": View("load test", LOAD),
    "v_requests": View("load test and kind of request", REQUEST),
    "v_explorations": View("exploration", EXPLORATION),
    "v_findings": View("finding", FINDING),
}
