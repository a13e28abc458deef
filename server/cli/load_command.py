"""`swaprace load`: Locust against a running server, with Locust's web UI on loopback."""

from __future__ import annotations

import importlib.util
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import click

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json

LOCUSTFILE = Path(__file__).resolve().parents[2] / "loadtests" / "locustfile.py"
UI_HOST = "127.0.0.1"  # Locust's UI takes commands from whoever reaches it
ANSWER_SECONDS = 5.0


@click.command("load")
@click.option("--server", default=None, help="Server to load.  [default: http://127.0.0.1:8000]")
@click.option("--web-port", type=click.IntRange(1, 65535), default=8089, show_default=True, help="Port of Locust's UI.")
@click.option("--headless", is_flag=True, help="No UI: start at once, print the figures at the end.")
@click.option("-u", "--users", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Users at a time.")
@click.option("-r", "--spawn-rate", type=float, default=10, show_default=True, help="Users started a second.")
@click.option("-t", "--run-time", default=None, help="How long, such as 60s or 5m; until Ctrl-C when not given.")
@json_option
def load(
    server: str | None,
    web_port: int,
    headless: bool,
    users: int,
    spawn_rate: float,
    run_time: str | None,
    as_json: bool,
) -> None:
    """Load a running `swaprace serve` with users that browse, launch small runs, poll them and compare.

    Becomes Locust: exit code 1 when a request failed. A full queue (429, 503) is no failure.
    """
    server = (server or default_server()).rstrip("/")
    if importlib.util.find_spec("locust") is None:
        raise CommandError("Locust is not installed: pip install 'swaprace[load]'")
    check_answers(server)
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", server]
    command += ["--users", str(users), "--spawn-rate", f"{spawn_rate:g}"]
    command += ["--run-time", run_time] if run_time else []
    if headless:
        command += ["--headless", "--only-summary", *(["--json", "--loglevel", "WARNING"] if as_json else [])]
    else:
        command += ["--web-host", UI_HOST, "--web-port", str(web_port)]
        address = f"http://{UI_HOST}:{web_port}"
        if as_json:
            print_json({"url": address, "server": server})
        else:
            click.echo(f"Locust's web UI: {address} (loads {server}; Ctrl-C ends it)", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # one process: Ctrl-C and exit code are Locust's own


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
