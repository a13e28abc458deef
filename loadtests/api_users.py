"""Users of the REST API: some browse, some launch runs and poll them, some compare, some change their minds."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

from locust import HttpUser, between, task

from loadtests.options import headers

API = "/api/v1"
PROBLEM = "application/problem+json"
FULL = (429, 503)  # the server says that it is busy: that is an answer, and no failure
PROTOCOLS = ("has_cache", "swap_cache")
TERMINAL = ("succeeded", "failed", "timed_out", "lost", "cancelled")
FILTERS = (
    "state:succeeded",
    "protocol:swap_cache cpus>=2",
    "-state:failed p99_ns>1us",
    "protocol:(swap_cache OR has_cache)",
)
SMALL_RUN = {"scenario": "thread_fault", "cpus": 2, "seconds": 0.05}
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 60.0  # for a run that others wait before; then it is cancelled, as an impatient user does
LONGEST_PAUSE_SECONDS = 5.0
COMPARED_RUNS = 10


class ApiUser(HttpUser):
    """What all users share: how an answer is judged."""

    abstract = True

    def on_start(self) -> None:
        """Carry the token on every request."""
        self.client.headers.update(headers())

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
            self.ask("GET", f"/runs/{run_id}/environment", name="/runs/[id]/environment")

    @task(2)
    def filtered(self) -> None:
        """Runs that pass a filter."""
        query = {"filter": random.choice(FILTERS), "limit": 20}
        self.ask("GET", "/runs", name="/runs (filtered)", params=query)

    @task(2)
    def catalogues(self) -> None:
        """The protocols, one of them, and the scenarios."""
        self.ask("GET", "/protocols")
        self.ask("GET", f"/protocols/{random.choice(PROTOCOLS)}", name="/protocols/[name]")
        self.ask("GET", "/scenarios")

    @task(2)
    def comparisons(self) -> None:
        """The comparisons and one of them; the studies; the load tests."""
        page = self.ask("GET", "/comparisons")
        if page is not None and page["items"]:
            self.ask("GET", f"/comparisons/{random.choice(page['items'])['id']}", name="/comparisons/[id]")
        self.ask("GET", "/studies")
        self.ask("GET", "/load-tests")


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


class Canceller(ApiUser):
    """Launches a long run, changes its mind, and waits until it is gone: the time from the one to the other counts."""

    weight = 1
    wait_time = between(3, 6)

    @task
    def change_mind(self) -> None:
        """Queue, cancel, poll to the end."""
        body = {**SMALL_RUN, "protocol": random.choice(PROTOCOLS), "seconds": 30.0, "seed": random.randrange(1 << 31)}
        run = self.ask("POST", "/runs", json=body, expected=(202,))
        if run is None:
            return
        time.sleep(random.uniform(0, 1))
        started = time.perf_counter()
        self.ask("POST", f"/runs/{run['id']}/cancel", name="/runs/[id]/cancel", expected=(202, 409))
        while run["state"] not in TERMINAL:
            time.sleep(POLL_SECONDS / 5)
            run = self.ask("GET", f"/runs/{run['id']}", name="/runs/[id] (poll)") or run
        self.environment.events.request.fire(
            request_type="RUN",
            name="cancel to end",
            response_time=1e3 * (time.perf_counter() - started),
            response_length=0,
            exception=None if run["state"] == "cancelled" else RuntimeError(f"run {run['id']} {run['state']}"),
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
            query = {
                "filter": f"state:succeeded protocol:{protocol} scenario:thread_fault cpus:2",
                "limit": COMPARED_RUNS,
            }
            page = self.ask("GET", "/runs", name="/runs (finished)", params=query)
            sides.append([run["id"] for run in page["items"]] if page else [])
        if not all(sides):
            return
        body = {"baseline_runs": sides[0], "candidate_runs": sides[1]}
        comparison = self.ask("POST", "/comparisons", json=body, expected=(201,))
        if comparison is not None:
            self.ask("GET", f"/comparisons/{comparison['id']}", name="/comparisons/[id]")
