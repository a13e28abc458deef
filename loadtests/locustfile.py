"""What Locust loads: users of the REST API, users that are CPUs of a live run, and what happens around a test.

swaprace load                                                        # with Locust's web UI on loopback
swaprace load --headless -u 50 -t 60s
swaprace load --headless -u 5 --cpu-users 2 --shape swapoff_storm -t 60s
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import locust.runners
import locust.stats
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import WorkerRunner

CHECKOUT = str(Path(__file__).resolve().parents[1])
if CHECKOUT not in sys.path:  # Locust puts the folder of this file on the path, and not its parent
    sys.path.insert(0, CHECKOUT)

from loadtests import web  # noqa: E402
from loadtests.api_users import Canceller, Judge, Racer, Reader  # noqa: E402
from loadtests.around import END, Test, end_here  # noqa: E402
from loadtests.cpu_users import CpuUser, give_back_cpus  # noqa: E402
from loadtests.driving import load_core  # noqa: E402
from loadtests.options import add_options, options_of, run_seconds  # noqa: E402
from loadtests.rounding import proper_round, two_digits  # noqa: E402
from loadtests.shapes import DEFAULT_SECONDS, users_at  # noqa: E402

__all__ = ["Canceller", "CpuUser", "Judge", "Racer", "Reader"]

PATIENT_SECONDS = 15  # a worker whose cores are busy being CPUs is late with its heartbeat, and not gone

# Locust looks these up in its modules at every call. Its own rounding makes whole milliseconds of the extremes as well.
locust.runners.__dict__.update(HEARTBEAT_LIVENESS=PATIENT_SECONDS)
locust.stats.__dict__.update(bucket_response_time=two_digits, proper_round=proper_round)


def shaped(environment: Environment) -> LoadTestShape:
    """The shape that the options name. CPU users stay all the time; API users come and go."""
    options = options_of(environment)
    seconds = run_seconds(environment) or DEFAULT_SECONDS
    api_users = max(0, options.num_users - options.cpu_users)

    class Shape(LoadTestShape):
        use_common_options = True

        def tick(self) -> tuple[int, float] | None:
            at = self.get_run_time()
            if at >= seconds:
                return None
            users = users_at(options.load_shape, at, seconds, api_users) if api_users else 0
            return users + options.cpu_users, options.spawn_rate

    shape = Shape()
    shape.runner = environment.runner
    return shape


@events.init_command_line_parser.add_listener
def read_options(parser: Any, **_: Any) -> None:
    """Locust asks for our options."""
    add_options(parser)


@events.init.add_listener
def prepare(environment: Environment, runner: Any, **_: Any) -> None:
    """Who the users are, how many there are over time, and what the web UI shows."""
    options = options_of(environment)
    ui = environment.web_ui
    if ui is not None and ui.app is not None:
        web.guard(ui.app)
        web.extend(environment, ui, ui.app)
    environment.events.test_stop.add_listener(lambda **_: give_back_cpus())
    if options.cpu_users or isinstance(runner, WorkerRunner):
        load_core()
    if isinstance(runner, WorkerRunner):
        runner.register_message(END, end_here)
        return  # the master says who is to be started
    unwanted = {CpuUser} if not options.cpu_users else {Racer}  # runs would wait for the driven one until it ends
    environment.user_classes = [each for each in environment.user_classes if each not in unwanted]
    CpuUser.fixed_count = options.cpu_users
    if options.load_shape != "constant":
        environment.shape_class = shaped(environment)
    test = Test(environment)
    if options.headless:
        test.start()  # here: the time of the test begins before Locust says that it starts
