"""The service as the load test itself uses it, beside its users: plain requests that are no part of the statistics."""

from __future__ import annotations

import logging
import time
from typing import Any

import requests

from loadtests.options import headers

API = "/api/v1"
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.1
START_SECONDS = 120.0  # for a run of our own to start: others may be measured before it
END_SECONDS = 60.0
LONGEST_RUN_SECONDS = 3600.0
MARGIN_SECONDS = 30.0  # the run outlives the test, and is finished when that ends
PAGES = 2048
TERMINAL = ("succeeded", "failed", "timed_out", "lost", "cancelled")
log = logging.getLogger("swaprace.load")


class ServiceError(RuntimeError):
    """The service did not do what the load test needs; the message says what and why."""


class ServiceClient:
    """Requests to the service at `host`, an http address."""

    def __init__(self, host: str) -> None:
        self._host = host.rstrip("/")

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The JSON of an answer. Raises ServiceError for a problem, and when nobody answers."""
        try:
            answer = requests.request(
                method, self._host + API + path, timeout=ANSWER_SECONDS, headers=headers(), **more
            )
        except requests.RequestException as error:
            raise ServiceError(f"{method} {path}: no answer ({error})") from error
        if answer.status_code >= 400:
            raise ServiceError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def start_driven_run(self, protocol: str, cpus: int, seconds: float | None) -> int:
        """Queue a run that CPU users drive, wait until it is running; its id. Raises ServiceError.

        Its memory has room for all pages, so that swapoff can bring them back; clients page them out themselves.
        """
        longest = min(LONGEST_RUN_SECONDS, (seconds or LONGEST_RUN_SECONDS) + MARGIN_SECONDS)
        body = {
            "protocol": protocol,
            "driver": "external",
            "cpus": cpus,
            "seconds": longest,
            "pages": PAGES,
            "memcg": {"limit_pages": 2 * PAGES},
        }
        run = self.ask("POST", "/runs", json=body)
        until = time.monotonic() + START_SECONDS
        try:
            while run["state"] != "running":
                if run["state"] in TERMINAL or time.monotonic() > until:
                    raise ServiceError(f"run {run['id']}, which CPU users were to drive, is {run['state']}")
                time.sleep(POLL_SECONDS)
                run = self.ask("GET", f"/runs/{run['id']}")
        except BaseException:  # the test is stopped meanwhile: its greenlet is killed
            self.cancel(run["id"])
            raise
        return int(run["id"])

    def finish_run(self, run_id: int) -> None:
        """End a driven run and wait until its results are kept."""
        try:
            self.ask("POST", f"/runs/{run_id}/finish")
        except ServiceError as error:
            log.warning("run %d: %s", run_id, error)
        until = time.monotonic() + END_SECONDS
        while time.monotonic() < until:
            run = self.ask("GET", f"/runs/{run_id}")
            if run["state"] in TERMINAL:
                if run["state"] != "succeeded":
                    log.warning("run %d, which CPU users drove, %s: %s", run_id, run["state"], run["state_reason"])
                return
            time.sleep(POLL_SECONDS)
        log.warning("run %d does not end", run_id)

    def cancel(self, run_id: int) -> None:
        """Cancel a run that was started in vain; one that is over stays as it is."""
        try:
            self.ask("POST", f"/runs/{run_id}/cancel")
        except ServiceError as error:
            log.info("%s", error)
