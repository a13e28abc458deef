"""`swaprace load`: Locust against a running server, with Locust's web UI on loopback."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json
from workers.catalogue import PROTOCOLS
from workers.spec import MAX_CPUS

LOCUSTFILE = Path(__file__).resolve().parents[2] / "loadtests" / "locustfile.py"
UI_HOST = "127.0.0.1"  # Locust's UI takes commands from whoever reaches it
ANSWER_SECONDS = 5.0
STOP_TIMEOUT = "3"  # seconds for users to end what they are at: a CPU user its batch, an API user its request
SHAPES = ("constant", "ramp", "spike", "swapoff_storm")  # loadtests/shapes.py
CPU_MODES = ("auto", "attached", "http")  # loadtests/options.py
POSITIVE = click.FloatRange(0, 10_000, min_open=True)
RUN_TIME = re.compile(r"(?=\d)(\d+h)?(\d+m)?(\d+s?)?")


@click.command("load")
@click.option("--server", default=None, help="Server to load.  [default: http://127.0.0.1:8000]")
@click.option("--web-port", type=click.IntRange(1, 65535), default=8089, show_default=True, help="Port of Locust's UI.")
@click.option("--headless", is_flag=True, help="No UI: start at once, print the figures at the end.")
@click.option(
    "-u", "--users", type=click.IntRange(0, 10_000), default=10, show_default=True, help="API users at a time."
)
@click.option("--cpu-users", type=click.IntRange(0, MAX_CPUS), default=0, show_default=True, help="CPUs of a live run.")
@click.option("--cpu-mode", type=click.Choice(CPU_MODES), default="auto", show_default=True, help="How they reach it.")
@click.option("--run", "run_id", type=click.IntRange(1), default=None, help="Live run they drive; else one of its own.")
@click.option(
    "--protocol", type=click.Choice(sorted(PROTOCOLS)), default="swap_cache", show_default=True, help="Of its own run."
)
@click.option("--shape", type=click.Choice(SHAPES), default="constant", show_default=True, help="Load over time.")
@click.option("-r", "--spawn-rate", type=POSITIVE, default=10, show_default=True, help="Users started a second.")
@click.option("-t", "--run-time", default=None, help="How long, such as 60s or 5m; until Ctrl-C when not given.")
@click.option("--name", default="", help="Name under which the load test is kept.")
@click.option("--no-store", is_flag=True, help="Do not keep the load test in the results database.")
@click.option("--master", is_flag=True, help="Direct workers (--worker), which make the load, here or on other hosts.")
@click.option(
    "--expect-workers", type=click.IntRange(1), default=1, show_default=True, help="With --master: wait for so many."
)
@click.option("--worker", is_flag=True, help="Make load for a master; how much, it says.")
@click.option("--master-host", default=UI_HOST, show_default=True, help="With --worker: host of the master.")
@click.option(
    "--master-port", type=click.IntRange(1, 65535), default=5557, show_default=True, help="Port of the master."
)
@click.option("--master-bind", default=UI_HOST, show_default=True, help="With --master: address that workers reach.")
@json_option
def load(**given: Any) -> None:
    """Load a running `swaprace serve`, with API users and with users that are CPUs of a live run.

    API users browse, launch small runs, poll, compare and cancel. Becomes Locust: exit code 1 when a request failed. A
    full queue (429, 503) is no failure. The figures are kept as a load test when it ends (docs/load.md).
    """
    server = (given["server"] or default_server()).rstrip("/")
    check_options(given)
    if importlib.util.find_spec("locust") is None:
        raise CommandError("Locust is not installed: pip install 'swaprace[load]'")
    check_answers(server)
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", server]
    command += worker_options(given) if given["worker"] else test_options(given)
    if not given["worker"] and not given["headless"]:
        command += ["--web-host", UI_HOST, "--web-port", str(given["web_port"])]
        address = f"http://{UI_HOST}:{given['web_port']}"
        if given["as_json"]:
            print_json({"url": address, "server": server})
        else:
            click.echo(f"Locust's web UI: {address} (loads {server}; Ctrl-C ends it)", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # one process: Ctrl-C and exit code are Locust's own


def check_options(given: dict[str, Any]) -> None:
    """Refuse options that do not go together. Raises click.UsageError."""
    if given["master"] and given["worker"]:
        raise click.UsageError("--master and --worker are two processes: start one of each")
    if not given["worker"] and given["users"] + given["cpu_users"] == 0:
        raise click.UsageError("nobody makes load: give --users or --cpu-users")
    if given["run_id"] is not None and not given["cpu_users"]:
        raise click.UsageError("--run is driven by CPU users: say how many with --cpu-users")
    if given["run_time"] is not None and not RUN_TIME.fullmatch(given["run_time"]):
        raise click.UsageError(f"--run-time {given['run_time']}: give a time such as 60s, 5m or 1h30m")


def worker_options(given: dict[str, Any]) -> list[str]:
    """Options of Locust for a process that makes load for a master."""
    return ["--worker", "--master-host", given["master_host"], "--master-port", str(given["master_port"])]


def test_options(given: dict[str, Any]) -> list[str]:
    """Options of Locust for the process that directs the test."""
    options = ["--users", str(given["users"] + given["cpu_users"]), "--spawn-rate", f"{given['spawn_rate']:g}"]
    options += ["--cpu-users", str(given["cpu_users"]), "--cpu-mode", given["cpu_mode"]]
    options += ["--load-shape", given["shape"], "--protocol", given["protocol"], "--test-name", given["name"]]
    options += ["--drive-run", str(given["run_id"])] if given["run_id"] is not None else []
    options += ["--run-time", given["run_time"]] if given["run_time"] else []
    options += ["--no-store"] if given["no_store"] else []
    if given["master"]:
        options += ["--master", "--master-bind-host", given["master_bind"]]
        options += ["--master-bind-port", str(given["master_port"])]
        options += ["--expect-workers", str(given["expect_workers"])]
    if given["headless"]:
        options += ["--headless", "--only-summary", "--stop-timeout", STOP_TIMEOUT]
        options += ["--json"] if given["as_json"] else []
        options += ["--loglevel", "WARNING"] if given["as_json"] else []
    return options


def default_server() -> str:
    """Where `swaprace serve` listens with the settings of the environment."""
    from server.cli.results import settings_for

    settings = settings_for(None)
    return f"http://{settings.host}:{settings.port}"


def check_answers(server: str) -> None:
    """Raise CommandError unless a server answers /healthz at `server`, an http address."""
    if not server.startswith(("http://", "https://")):
        raise click.UsageError(f"--server {server}: give an address such as http://127.0.0.1:8000")
    try:
        with urllib.request.urlopen(f"{server}/healthz", timeout=ANSWER_SECONDS):
            return
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(f"no server answers at {server} ({reason}): start `swaprace serve`") from error
