"""Locust users of the chaos: each asks for small runs at whichever server answers, and notes what it was promised.

A request that was broken off is sent again under its Idempotency-Key until some server has answered it, as a careful
client does. Every key is noted before it is sent, every promise after it came: one JSON object a line.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from typing import Any

from locust import FastHttpUser, constant, task

PORTS = [int(port) for port in os.environ["CHAOS_PORTS"].split(",")]
PROMISES = os.environ["CHAOS_PROMISES"]
TERMINAL = ("succeeded", "failed", "timed_out", "lost", "cancelled")
WAITING_RUNS = 12  # so that the queue is never empty and never long
PATIENCE_SECONDS = 60


def note(**what: Any) -> None:
    """One line, whole whatever is killed: O_APPEND and one write."""
    with open(PROMISES, "ab", buffering=0) as file:
        file.write(json.dumps(what).encode() + b"\n")


class Client(FastHttpUser):
    """Asks for a run, watches it for a while, and now and then cancels it."""

    host = f"http://127.0.0.1:{PORTS[0]}"
    wait_time = constant(0.05)
    connection_timeout = 5.0
    network_timeout = 5.0

    def ask(self, method: str, path: str, name: str, **more: Any) -> Any:
        """The JSON of an answer below 500; None where there was none: the server is killed, starts, or is busy."""
        url = f"http://127.0.0.1:{random.choice(PORTS)}/api/v1{path}"
        with self.client.request(method, url, name=name, catch_response=True, **more) as answer:
            answer.success()  # that servers die is what this is about; what is promised is judged afterwards
            if not answer.status_code or answer.status_code >= 429:
                return None
            if answer.status_code >= 400 and (method, answer.status_code) != ("POST", 409):
                note(refused=answer.status_code, path=path, text=answer.text[:500])
                return None
            return answer.json()

    @task
    def race(self) -> None:
        """One run, from its key to what became of it."""
        health = self.ask("GET", "/runs?state=queued&limit=50", "queue")
        if health is None or len(health["items"]) >= WAITING_RUNS:
            time.sleep(0.2)  # gevent's
            return
        key = secrets.token_hex(16)
        seconds = random.choice((0.05, 0.2, 0.6, 1.5))
        body = {"protocol": random.choice(("has_cache", "swap_cache")), "pages": 256, "seconds": seconds}
        body["seed"] = random.randrange(1 << 31)
        note(key=key)
        run = None
        end = time.monotonic() + PATIENCE_SECONDS
        while run is None and time.monotonic() < end:
            run = self.ask("POST", "/runs", "launch", json=body, headers={"Idempotency-Key": key})
            if run is None:
                time.sleep(0.2)
        if run is None:
            return
        note(key=key, run=run["id"], seed=body["seed"])
        cancels = random.random() < 0.2
        end = time.monotonic() + 3
        while run is not None and run["state"] not in TERMINAL and time.monotonic() < end:
            time.sleep(0.2)
            if cancels and run["state"] != "queued":
                note(cancel=run["id"])
                self.ask("POST", f"/runs/{run['id']}/cancel", "cancel", json=None)
                cancels = False
            run = self.ask("GET", f"/runs/{run['id']}", "poll") or run
