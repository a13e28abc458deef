"""CPU users: each is a CPU of a live run, and what it measures of its operations are Locust's statistics.

Rows of type CPU are in microseconds, as their names say; all other rows of Locust are in milliseconds.
"""

from __future__ import annotations

import random
import time
from typing import Any, ClassVar

from locust import constant, task
from locust.exception import StopUser

from loadtests.api_users import ApiUser
from loadtests.driving import Driver, RunOver, driver_for
from loadtests.options import options_of, run_seconds
from loadtests.shapes import is_storm
from shm.errors import SegmentError
from workers.batch import Refused

BATCHES = 4  # of paging out and coming back, in one task
RANGE_PAGES = 16
ACCESSES = 12
RECLAIM_PAGES = 32
STORE_SHARE = 0.5
RUN_SECONDS = 30.0  # for the run to be known: a worker of Locust hears of it with its first users
STOP_SECONDS = 10.0
CPU_BUSY_SECONDS = 0.2  # before another try: the user before us gives its CPU back as it stops
NOT_COUNTED = ("hit",)  # of a hundred ns: what is measured is the emulator, and a hit is the measurement
EXPECTED = ("EBUSY", "EINTR")  # somebody else's swapoff is under way, or the run ends
NAMES = {"swap_in": "swap-in", "zero_fill": "zero fill", "copy_on_write": "copy on write"}


class CpuUser(ApiUser):
    """A CPU of the driven run. Stops when the run is over."""

    wait_time = constant(0.005)
    abstract = False
    fixed_count = 1  # what --cpu-users says, once Locust has read it
    driving: ClassVar[set[Driver]] = set()  # of this process: it must not end in the middle of an operation

    def on_start(self) -> None:
        """Find the run, and be a CPU of it."""
        super().on_start()
        self._driver: Driver | None = None
        self._began = time.monotonic()
        until = time.monotonic() + RUN_SECONDS
        while not options_of(self.environment).drive_run:
            if time.monotonic() > until:
                raise StopUser
            time.sleep(CPU_BUSY_SECONDS)
        self._attach()

    def on_stop(self) -> None:
        """Give the CPU back."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()
            self.driving.discard(driver)

    def _attach(self) -> None:
        options = options_of(self.environment)
        until = time.monotonic() + RUN_SECONDS
        while self._driver is None:
            try:
                self._driver = driver_for(options.cpu_mode, options.drive_run, self.ask)
                self.driving.add(self._driver)
            except RunOver:
                raise StopUser from None
            except (Refused, SegmentError) as error:
                busy = isinstance(error, Refused) and error.code == "cpu_busy"
                if not busy or time.monotonic() > until:
                    self._report("claim", 0, error)
                    raise StopUser from error
                time.sleep(CPU_BUSY_SECONDS)

    @task
    def drive(self) -> None:
        """One batch: page out, come back, reclaim; in a storm, take the device down and up again."""
        assert self._driver is not None
        seconds = run_seconds(self.environment)
        at = time.monotonic() - self._began
        storm = seconds is not None and is_storm(options_of(self.environment).load_shape, at, seconds)
        try:
            results = self._driver.play(batch(self._driver.pages, storm))
        except RunOver:
            raise StopUser from None
        except Refused as error:
            self._report("batch", 0, error)
            raise StopUser from error
        for result in results:
            self._tell(result)

    def _tell(self, result: dict[str, Any]) -> None:
        name = result["op"]
        if name in ("load", "store"):
            name = result["outcome"] or name
        if name in NOT_COUNTED or result["error"] in EXPECTED:
            return
        error = RuntimeError(f"{result['op']}: {result['error']}") if result["error"] else None
        self._report(NAMES.get(name, name), result["latency_ns"], error)

    def _report(self, name: str, latency_ns: int, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="CPU",
            name=f"{name} [us]",
            response_time=latency_ns / 1e3,
            response_length=0,
            exception=error,
            context={},
        )


def batch(pages: int, storm: bool) -> list[dict[str, Any]]:
    """Operations on the one mm of the run: what is swapped in was paged out by somebody a moment before."""
    operations: list[dict[str, Any]] = []
    for _ in range(BATCHES):
        first = random.randrange(pages - RANGE_PAGES)
        operations.append({"op": "pageout", "mm": 0, "page": first, "pages": RANGE_PAGES})
        for _ in range(ACCESSES):
            op = "store" if random.random() < STORE_SHARE else "load"
            operations.append({"op": op, "mm": 0, "page": first + random.randrange(RANGE_PAGES)})
    operations.append({"op": "reclaim", "pages": RECLAIM_PAGES})
    if storm:
        operations += [{"op": "swapoff"}, {"op": "swapon"}]
    return operations


def give_back_cpus() -> None:
    """Wait until the CPU users of this process have given their CPUs back: a thread may still be in a batch."""
    until = time.monotonic() + STOP_SECONDS
    while CpuUser.driving and time.monotonic() < until:
        time.sleep(0.02)
