"""Locust's web UI: who may steer it, and two tabs of ours: runs, and the emulator's latencies beside HTTP's."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Flask, Response, abort, request
from locust.env import Environment
from locust.web import WebUI

from loadtests.options import options_of
from loadtests.service import ServiceClient, ServiceError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CHANGES = ("/stop", "/stats/reset")  # GET requests that changed something in earlier versions of Locust
FRESH_SECONDS = 2.0  # the UI asks once in two seconds, for each browser
RUNS = 20
RUN_COLUMNS = {
    "run": "Run",
    "protocol": "Protocol",
    "scenario": "Scenario",
    "driver": "Driver",
    "cpus": "CPUs",
    "state": "State",
    "throughput_ops_s": "Operations/s",
    "p50_us": "Swap-in p50 (us)",
    "p99_us": "Swap-in p99 (us)",
}
LATENCY_COLUMNS = {  # no `name`: Locust would sort by it, and HTTP's rows would hide the emulator's
    "source": "Source",
    "what": "Of",
    "count": "Count",
    "p50_us": "p50 (us)",
    "p99_us": "p99 (us)",
    "max_us": "Max (us)",
}


def guard(app: Flask) -> None:
    """Locust's UI starts and stops load for whoever asks. Refuse other names of this host, and pages of other sites."""

    def check() -> None:
        host = request.host.rpartition(":")[0] or request.host
        if host.strip("[]") not in LOOPBACK:
            abort(421, "Locust's UI answers on loopback only.")
        changes = request.method not in ("GET", "HEAD") or request.path in CHANGES
        origin = request.headers.get("Origin", request.host_url.rstrip("/"))
        site = request.headers.get("Sec-Fetch-Site", "none")
        if changes and (origin != request.host_url.rstrip("/") or site not in ("none", "same-origin")):
            abort(403, "Pages of another site may not steer the load.")

    app.before_request(check)


def extend(environment: Environment, ui: WebUI, app: Flask) -> None:
    """Add the tabs. Their rows come with Locust's own statistics."""
    tables = {"swaprace-runs": ("Runs", RUN_COLUMNS), "swaprace-latencies": ("Latencies", LATENCY_COLUMNS)}
    ui.template_args["extended_tabs"] = [{"title": title, "key": key} for key, (title, _) in tables.items()]
    ui.template_args["extended_tables"] = [
        {"key": key, "structure": [{"key": column, "title": told} for column, told in columns.items()]}
        for key, (_, columns) in tables.items()
    ]
    board = Board(environment)

    def add_rows(response: Response) -> Response:
        if request.path == "/stats/requests" and response.is_json and response.status_code == 200:
            response.set_data(json.dumps({**(response.json or {}), "extended_stats": board.rows()}))
        return response

    app.after_request(add_rows)


class Board:
    """The rows of the tabs, asked for at most once in FRESH_SECONDS."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows: list[dict[str, Any]] = []
        self._until = 0.0

    def rows(self) -> list[dict[str, Any]]:
        """As Locust's UI takes them: one object a table."""
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + FRESH_SECONDS
            service = ServiceClient(self._environment.host or "")
            try:
                runs = [run_row(run) for run in service.ask("GET", f"/runs?limit={RUNS}")["items"]]
            except ServiceError as error:
                runs = [{"run": "-", "state": str(error)[:100]}]
            measured = sorted(self._environment.stats.entries.items(), key=lambda each: (each[0][1] != "CPU", each[0]))
            latencies = self._emulator(service) + [row(kind, name, entry) for (name, kind), entry in measured]
            self._rows = [
                {"key": "swaprace-runs", "data": runs},
                {"key": "swaprace-latencies", "data": latencies},
            ]
        return self._rows

    def _emulator(self, service: ServiceClient) -> list[dict[str, Any]]:
        """The histograms of the run that is driven, as it counts them itself, while it lives."""
        run_id = options_of(self._environment).drive_run
        if not run_id:
            return []
        try:
            told = service.ask("GET", f"/runs/{run_id}/operations")["latencies"]
        except ServiceError:
            return []
        return [
            {
                "source": f"emulator, run {run_id}",
                "what": each["name"].replace("_", " "),
                "count": each["count"],
                **{f"{key}_us": us(each[f"{key}_ns"], 1e3) for key in ("p50", "p99", "max")},
            }
            for each in told
            if each["count"]
        ]


def run_row(run: dict[str, Any]) -> dict[str, Any]:
    """A run as a row."""
    metrics = run["metrics"] or {}
    throughput = metrics.get("throughput_ops_s")
    return {
        "run": run["id"],
        **{key: run[key] for key in ("protocol", "scenario", "cpus", "state")},
        "driver": run["spec"]["driver"],
        "throughput_ops_s": "" if throughput is None else round(throughput),
        "p50_us": us(metrics.get("p50_ns"), 1e3),
        "p99_us": us(metrics.get("p99_ns"), 1e3),
    }


def row(kind: str, name: str, entry: Any) -> dict[str, Any]:
    """A row of Locust's own statistics, in microseconds like those of the emulator."""
    per_us = 1.0 if kind == "CPU" else 1e-3
    return {
        "source": "CPU user" if kind == "CPU" else f"HTTP {kind}" if kind != "RUN" else "run",
        "what": name.removesuffix(" [us]"),
        "count": entry.num_requests,
        "p50_us": us(entry.get_response_time_percentile(0.5), per_us),
        "p99_us": us(entry.get_response_time_percentile(0.99), per_us),
        "max_us": us(entry.max_response_time, per_us),
    }


def us(value: float | None, per_us: float) -> str:
    """A latency in microseconds, with digits as they are known; empty where there is none."""
    if value is None:
        return ""
    number = value / per_us
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"
