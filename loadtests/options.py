"""What `swaprace load` tells the locustfile, on top of Locust's own options. The master's values reach its workers."""

from __future__ import annotations

import os
from typing import Any

from locust.env import Environment

from loadtests.shapes import DEFAULT_SECONDS, SHAPES

CPU_MODES = ("auto", "attached", "http")
TOKEN_VARIABLE = "SWAPRACE_TOKEN"  # in the environment, where other users of the host do not see it


def add_options(parser: Any) -> None:
    """Add the options to Locust's parser."""
    hidden: dict[str, Any] = {"include_in_web_ui": False}
    parser.add_argument("--cpu-users", type=int, default=0, help="users that are CPUs of a live run", **hidden)
    parser.add_argument("--cpu-mode", choices=CPU_MODES, default="auto", help="how CPU users reach the run", **hidden)
    parser.add_argument("--drive-run", type=int, default=0, help="live run to drive; 0: one of our own", **hidden)
    parser.add_argument("--protocol", default="swap_cache", help="protocol of our own run", **hidden)
    parser.add_argument("--load-shape", choices=SHAPES, default="constant", help="the load over time", **hidden)
    parser.add_argument("--test-name", default="", help="name under which the load test is kept", **hidden)
    parser.add_argument("--no-store", action="store_true", help="do not keep the load test", **hidden)


def options_of(environment: Environment) -> Any:
    """The options of a test: Locust's and ours."""
    return environment.parsed_options


def run_seconds(environment: Environment) -> float | None:
    """How long the test goes on, None for until it is stopped."""
    options = options_of(environment)
    if options.run_time:
        return float(options.run_time)
    return DEFAULT_SECONDS if options.load_shape != "constant" else None


def headers() -> dict[str, str]:
    """What every request of ours carries: the token, where one is given."""
    token = os.environ.get(TOKEN_VARIABLE)
    return {"Authorization": f"Bearer {token}"} if token else {}
