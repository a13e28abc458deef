"""`swaprace run`: one run of one protocol."""

from __future__ import annotations

from typing import Any

import click

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stderr_console, stdout_console, table_for
from server.cli.progress import Progress
from server.cli.results import core_is_built, db_option, measure, opened_store, settings_for
from server.cli.spec_options import build_spec, spec_options
from server.cli.tables import show_violations, show_waits
from server.compare import WaitFigures
from server.compare.wording import LABELS, ns_text, rate_text
from server.schemas import Result
from server.store import StoreError

QUANTILES = {name: LABELS[name] for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns")}


@click.command("run")
@click.argument("protocol")
@spec_options
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the run.")
@db_option
@json_option
def run(protocol: str, seed: int, db: str | None, as_json: bool, **given: Any) -> None:
    """Run one protocol once and keep the run in the results database.

    Exit code 0 when it succeeded, 3 when a law was violated, 1 when it failed otherwise.
    """
    settings = settings_for(db)
    spec = build_spec(protocol, given, seed=seed)
    core_is_built()
    with opened_store(settings) as store:
        try:
            queued = store.create_run(spec)
        except StoreError as error:
            raise CommandError(str(error)) from error
        measure(
            store,
            settings,
            run_ids=[queued.id],
            finished=lambda: store.get_run(queued.id).finished,
            cancel=lambda: store.cancel_run(queued.id),
            progress=Progress(stderr_console(), 1),
        )
        result = store.results_of([queued.id])[0]
    url = f"http://{settings.host}:{settings.port}/api/v1/runs/{queued.id}"
    if as_json:
        print_json(json_body(result, url))
    else:
        _show(result, url)
    raise click.exceptions.Exit(exit_code(result))


def json_body(result: Result, url: str) -> dict[str, Any]:
    """What `run --json` prints: docs/cli.md describes it."""
    body = result.run.model_dump(mode="json")
    return {
        "run": result.run.id,
        "url": url,
        "state": body["state"],
        "state_reason": body["state_reason"],
        "metrics": body["metrics"],
        "waits": body["waits"],
        "events": body["events"],
        "laws_checked": body["laws_checked"],
        "violations": [violation.model_dump(mode="json") for violation in result.violations],
        "known": body["known"],
        "environment": result.environment,
        "spec": body["spec"],
    }


def _show(result: Result, url: str) -> None:
    console, run = stdout_console(), result.run
    metrics = run.metrics or {}
    if metrics:
        table = table_for(console, "", ["", *QUANTILES.values(), "throughput", "tick sleeps"])
        quantiles = [ns_text(metrics.get(name)) for name in QUANTILES]
        throughput, sleeps = rate_text(metrics.get("throughput_ops_s")), f"{metrics.get('tick_sleeps') or 0:,}"
        table.add_row(run.protocol, *quantiles, throughput, sleeps)
        console.print(f"swap-in latency, {run.scenario}, {run.cpus} CPUs", style="bold")
        console.print(table)
    if run.waits:
        swap_ins = result.histograms["swap_in"].total if "swap_in" in result.histograms else 0
        waits = {
            cause: WaitFigures(**wait.model_dump(), per_operation_ns=wait.total_ns / swap_ins if swap_ins else None)
            for cause, wait in run.waits.items()
        }
        console.print()
        show_waits(console, {run.protocol: waits})
    show_violations(console, {run.protocol: result.violations})
    for breach in run.known or []:
        line = f"{run.protocol}: law {breach.law} does not hold, as is known ({breach.known}): {breach.detail}"
        console.print(line, style="dim", soft_wrap=True, markup=False)
    reason = f": {run.state_reason.sentence}" if run.state_reason else ""
    console.print(f"run {run.id} {run.state.replace('_', ' ')}{reason}", soft_wrap=True, markup=False)
    console.print(f"{url} (start `swaprace serve`)", soft_wrap=True)


def exit_code(result: Result) -> int:
    """0 succeeded, 3 a law was violated, 1 anything else."""
    if result.violations:
        return exits.REGRESSION
    return exits.OK if result.run.state == "succeeded" else exits.ERROR
