"""Locust users of the lists and comparisons of a large database: `python -m bench.lists` runs them."""

from __future__ import annotations

import os
import random
from typing import Any

from locust import FastHttpUser, between, task

API = "/api/v1"
PAUSE_SECONDS = float(os.environ["BENCH_PAUSE_SECONDS"])
FILTERS = (
    "protocol:swap_cache",
    "protocol:(swap_cache OR has_cache) cpus>=8",
    "state:failed",
    "scenario:usemem host:lab3",
    "p99_ns<1ms -host:lab2",
)
SORTS = ("-id", "id", "-p99_ns", "throughput_ops_s", "-p50_ns")


class ListUser(FastHttpUser):
    """Looks through lists as somebody who works with them does: pages, filters, sorts, single items."""

    wait_time = between(PAUSE_SECONDS / 2, PAUSE_SECONDS * 3 / 2)

    def ask(self, path: str, name: str, *, read: bool = False) -> Any:
        """The JSON of an answer where it is to be read: Locust has one core for all users. Anything but 200 fails."""
        with self.client.get(API + path, name=name, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {str(answer.text)[:200]}")
            elif read:
                return answer.json()
        return {"items": [], "next_cursor": None}

    @task(4)
    def runs(self) -> None:
        """Two pages of runs, and a run."""
        page = self.ask("/runs?limit=20", "/runs", read=True)
        if page["next_cursor"]:
            self.ask(f"/runs?limit=20&cursor={page['next_cursor']}", "/runs (next page)")
        if page["items"]:
            self.ask(f"/runs/{random.choice(page['items'])['id']}", "/runs/[id]")

    @task(3)
    def filtered(self) -> None:
        """A page of runs that pass a filter."""
        self.ask(f"/runs?limit=50&filter={random.choice(FILTERS)}", "/runs?filter=")

    @task(2)
    def sorted(self) -> None:
        """A page of runs by a figure."""
        self.ask(f"/runs?limit=50&sort={random.choice(SORTS)}", "/runs?sort=")

    @task(2)
    def comparisons(self) -> None:
        """A page of comparisons, and one."""
        page = self.ask("/comparisons?limit=20", "/comparisons", read=True)
        if page["items"]:
            self.ask(f"/comparisons/{random.choice(page['items'])['id']}", "/comparisons/[id]")

    @task(1)
    def studies(self) -> None:
        """A page of studies, and the runs of one."""
        page = self.ask("/studies?limit=20", "/studies", read=True)
        if page["items"]:
            self.ask(f"/runs?study={random.choice(page['items'])['id']}", "/runs?study=")
