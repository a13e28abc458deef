"""Locust users of the REST API: some browse, some launch small runs and poll them, some compare.

swaprace load                      # with Locust's web UI on loopback
swaprace load --headless -u 50 -t 60s
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import locust.stats
from flask import abort, request
from locust import HttpUser, between, events, task
from locust.env import Environment

CHECKOUT = str(Path(__file__).resolve().parents[1])
if CHECKOUT not in sys.path:  # Locust puts the folder of this file on the path, and not its parent
    sys.path.insert(0, CHECKOUT)

from loadtests.rounding import proper_round, two_digits  # noqa: E402

API = "/api/v1"
PROBLEM = "application/problem+json"
FULL = (429, 503)  # the server says that it is busy: that is an answer, and no failure
PROTOCOLS = ("has_cache", "swap_cache")
TERMINAL = ("succeeded", "failed", "timed_out", "lost", "cancelled")
SMALL_RUN = {"scenario": "thread_fault", "cpus": 2, "seconds": 0.05}
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 60.0  # for a run that others wait before; then it is cancelled, as an impatient user does
LONGEST_PAUSE_SECONDS = 5.0
COMPARED_RUNS = 10

# Locust looks these up in its module at every call. Its own rounding makes whole milliseconds of the extremes as well.
locust.stats.__dict__.update(bucket_response_time=two_digits, proper_round=proper_round)


@events.init.add_listener
def guard_web_ui(environment: Environment, **_: Any) -> None:
    """Locust's UI starts and stops load for whoever asks. Refuse other names of this host, and pages of other sites."""
    if environment.web_ui is None or environment.web_ui.app is None:
        return

    def check() -> None:
        host = request.host.rpartition(":")[0] or request.host
        if host.strip("[]") not in ("127.0.0.1", "localhost", "::1"):
            abort(421, "Locust's UI answers on loopback only.")
        changes = request.method not in ("GET", "HEAD") or request.path in ("/stop", "/stats/reset")
        origin = request.headers.get("Origin", request.host_url.rstrip("/"))
        site = request.headers.get("Sec-Fetch-Site", "none")
        if changes and (origin != request.host_url.rstrip("/") or site not in ("none", "same-origin")):
            abort(403, "Pages of another site may not steer the load.")

    environment.web_ui.app.before_request(check)


class ApiUser(HttpUser):
    """What all users share: how an answer is judged."""

    abstract = True

    def ask(
        self, method: str, path: str, *, name: str | None = None, expected: Sequence[int] = (200,), **more: Any
    ) -> Any:
        """The JSON of an expected answer, else None. A full queue is taken as said: pause, then go on."""
        pause_seconds = 0.0
        with self.client.request(method, API + path, name=API + (name or path), catch_response=True, **more) as answer:
            if answer.status_code in FULL and answer.headers.get("Content-Type", "").startswith(PROBLEM):
                answer.success()
                pause_seconds = float(answer.headers.get("Retry-After", 1))
            elif answer.status_code not in expected:
                answer.failure(f"{answer.status_code}: {(answer.text or 'no answer')[:300]}")
            else:
                answer.success()
                return answer.json()
        time.sleep(min(pause_seconds, LONGEST_PAUSE_SECONDS))  # gevent's: other users go on
        return None


class Reader(ApiUser):
    """Browses: catalogues, lists and their next pages, one run with all that it left, comparisons."""

    weight = 6
    wait_time = between(0.1, 0.5)

    @task(4)
    def runs(self) -> None:
        """A page of runs, the next one, and a run of it."""
        page = self.ask("GET", "/runs?limit=20", name="/runs")
        if page is None:
            return
        if page["next_cursor"]:
            self.ask("GET", f"/runs?limit=20&cursor={page['next_cursor']}", name="/runs (next page)")
        if page["items"]:
            run_id = random.choice(page["items"])["id"]
            self.ask("GET", f"/runs/{run_id}", name="/runs/[id]")
            self.ask("GET", f"/runs/{run_id}/histograms", name="/runs/[id]/histograms")
            self.ask("GET", f"/runs/{run_id}/violations", name="/runs/[id]/violations")

    @task(2)
    def catalogues(self) -> None:
        """The protocols, one of them, and the scenarios."""
        self.ask("GET", "/protocols")
        self.ask("GET", f"/protocols/{random.choice(PROTOCOLS)}", name="/protocols/[name]")
        self.ask("GET", "/scenarios")

    @task(2)
    def comparisons(self) -> None:
        """The comparisons and one of them; the studies."""
        page = self.ask("GET", "/comparisons")
        if page is not None and page["items"]:
            self.ask("GET", f"/comparisons/{random.choice(page['items'])['id']}", name="/comparisons/[id]")
        self.ask("GET", "/studies")


class Racer(ApiUser):
    """Launches a small run and polls it until it is over."""

    weight = 2
    wait_time = between(1, 3)

    @task
    def race(self) -> None:
        """One run from its launch to its end; its whole time is an entry of its own."""
        protocol = random.choice(PROTOCOLS)
        body = {**SMALL_RUN, "protocol": protocol, "seed": random.randrange(1 << 31)}
        started = time.perf_counter()
        run = self.ask("POST", "/runs", json=body, expected=(202,))
        if run is None:
            return
        cancelled = False
        while run["state"] not in TERMINAL:
            time.sleep(POLL_SECONDS)
            run = self.ask("GET", f"/runs/{run['id']}", name="/runs/[id] (poll)") or run
            if not cancelled and time.perf_counter() - started > PATIENCE_SECONDS:
                self.ask("POST", f"/runs/{run['id']}/cancel", name="/runs/[id]/cancel", expected=(202, 409))
                cancelled = True
        ended_well = run["state"] == "succeeded" or (cancelled and run["state"] == "cancelled")
        reason = run["state_reason"]["sentence"] if run["state_reason"] else "no reason given"
        self.environment.events.request.fire(
            request_type="RUN",
            name="launch to end",
            response_time=1e3 * (time.perf_counter() - started),
            response_length=0,
            exception=None if ended_well else RuntimeError(f"run {run['id']} {run['state']}: {reason}"),
            context={},
        )


class Judge(ApiUser):
    """Compares the newest runs of two protocols."""

    weight = 1
    wait_time = between(1, 3)

    @task
    def compare(self) -> None:
        """Find finished runs of both protocols, compare them, read the comparison."""
        sides = []
        for protocol in PROTOCOLS:
            query = f"/runs?state=succeeded&protocol={protocol}&limit={COMPARED_RUNS}"
            page = self.ask("GET", query, name="/runs (finished)")
            sides.append([run["id"] for run in page["items"]] if page else [])
        if not all(sides):
            return
        body = {"baseline_runs": sides[0], "candidate_runs": sides[1]}
        comparison = self.ask("POST", "/comparisons", json=body, expected=(201,))
        if comparison is not None:
            self.ask("GET", f"/comparisons/{comparison['id']}", name="/comparisons/[id]")
