"""What happens around a test: a run for its CPU users before, its figures kept after."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner

from loadtests import report
from loadtests.options import options_of, run_seconds
from loadtests.service import ServiceClient, ServiceError

END, ENDED = "swaprace-end", "swaprace-ended"  # messages from master to worker, and back
ENDED_SECONDS = 15.0
log = logging.getLogger("swaprace.load")


def end_here(environment: Environment, **_: Any) -> None:
    """A worker is told that the test is over: stop, send the last figures, say so.

    Locust's master fires test_stop before its workers have stopped when it quits, and their figures come every three
    seconds.
    """
    runner: Any = environment.runner
    runner.stop()
    runner._send_stats()
    runner.send_message(ENDED)


class Test:
    """One test after another, on the master, or where there is but one process."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._own_run = 0
        self._most_users = 0
        self._ended = 0
        environment.events.test_start.add_listener(self.start)
        environment.events.test_stop.add_listener(self.stop)
        environment.events.spawning_complete.add_listener(self.spawned)
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(ENDED, self.worker_ended)

    @property
    def _service(self) -> ServiceClient:
        return ServiceClient(self._environment.host or "")

    def start(self, **_: Any) -> None:
        """Have a run for the CPU users to drive, before they come."""
        options = options_of(self._environment)
        if not options.cpu_users or options.drive_run:
            return
        try:
            seconds = run_seconds(self._environment)
            self._own_run = self._service.start_driven_run(options.protocol, options.cpu_users, seconds)
        except ServiceError as error:
            log.error("no run for the CPU users: %s", error)
            self._environment.process_exit_code = 1
            return
        options.drive_run = self._own_run
        log.info("CPU users drive run %d", self._own_run)

    def spawned(self, user_count: int, **_: Any) -> None:
        """Note how many there are."""
        self._most_users = max(self._most_users, user_count - options_of(self._environment).cpu_users)

    def stop(self, **_: Any) -> None:
        """End our run, and have the figures kept."""
        options = options_of(self._environment)
        self._end_workers()
        if self._own_run:
            try:
                self._service.finish_run(self._own_run)
            except ServiceError as error:
                log.warning("%s", error)
        test = None if options.no_store else report.load_test(self._environment, max(0, self._most_users))
        if test is not None:
            print(report.keep(self._service, test), file=sys.stderr, flush=True)
        if self._own_run:
            options.drive_run = self._own_run = 0  # the next test of this UI has a run of its own
        self._most_users = 0

    def worker_ended(self, **_: Any) -> None:
        """A worker has stopped, and its last figures are here."""
        self._ended += 1

    def _end_workers(self) -> None:
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return
        self._ended, wanted = 0, runner.worker_count
        runner.send_message(END)
        until = time.monotonic() + ENDED_SECONDS
        while self._ended < wanted and time.monotonic() < until:
            time.sleep(0.05)
        if self._ended < wanted:
            log.warning("%d of %d workers did not send their last figures", wanted - self._ended, wanted)
