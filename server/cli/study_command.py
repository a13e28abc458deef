"""`swaprace study`: a matrix of runs from a file, in interleaved order, resumable, with comparisons per cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stderr_console, stdout_console
from server.cli.progress import Progress
from server.cli.results import core_is_built, db_option, measure, opened_store, settings_for
from server.cli.study_tables import show_plan, show_summary
from server.config import Settings
from server.schemas import Arm, Study
from server.states import LIVE
from server.store import Store, StoreError, laid_out
from server.study import StudyFileError, StudyPlan, differing_parts, digest_of, read_study_file

if TYPE_CHECKING:
    from server.study.summary import CellSummary

HARMLESS = {"baseline"}  # parts of a plan that no run is made from
OVERHEAD_SECONDS = 1.5  # of a run beside its measured time, where the database has no run to tell


@click.command("study")
@click.argument("file", metavar="FILE.toml", type=click.Path(path_type=Path))
@click.option("--placer", help="Where runs are measured: local, dask=ADDRESS, slurm or slurm=JOBS.  [default: local]")
@click.option("--dry-run", is_flag=True, help="List the runs and estimate their time; queue nothing.")
@click.option("--new", is_flag=True, help="Begin anew, though a study of that name is there.")
@click.option("--fail-on-inconclusive", is_flag=True, help="Exit 4 when a metric is inconclusive.")
@click.option("--allow-regression", is_flag=True, help="Exit 0 though a metric regressed; a violated law stays 3.")
@db_option
@json_option
def study(
    file: Path,
    placer: str | None,
    dry_run: bool,
    new: bool,
    fail_on_inconclusive: bool,
    allow_regression: bool,
    db: str | None,
    as_json: bool,
) -> None:
    """Measure every combination of a matrix: protocols, scenarios, CPUs, ticks, devices, seeds.

    Run it again after an interruption, and it does what is missing. docs/study-format.md documents the file.
    """
    settings = settings_for(db, placer=placer)
    try:
        plan, arms = read_study_file(file)
    except StudyFileError as error:
        raise click.UsageError(str(error)) from error
    with opened_store(settings) as store:
        if dry_run:
            _dry_run(store, settings, plan, arms, as_json=as_json)
            return
        core_is_built()
        begun = _begin(store, plan, arms, file, new=new)
        _measure(store, settings, begun, file)
        study = store.get_study(begun.id)
        cells = _summary(store, study, plan)
    url = f"http://{settings.host}:{settings.port}/api/v1/studies/{study.id}"
    if as_json:
        print_json(json_body(study, plan, cells, url))
    else:
        show_summary(stdout_console(), study, cells, url)
    raise click.exceptions.Exit(exit_code(cells, fail_on_inconclusive, allow_regression))


def _begin(store: Store, plan: StudyPlan, arms: list[Arm], file: Path, *, new: bool) -> Study:
    """The study of the plan, with what is missing of it queued. A file that has changed since is told, not run."""
    body, digest = plan.model_dump(mode="json"), digest_of(plan)
    before = None if new else store.find_plan(plan.name)
    console = stderr_console()
    try:
        if before is None:
            made = store.create_study(arms, plan.repeats, name=plan.name, seed=plan.seed, plan=body, digest=digest)
            console.print(f"study {made.id}, {plan.name}: {made.runs} runs", markup=False)
            return made
        changed = set(differing_parts(before.plan, body)) - HARMLESS
        if "repeats" in changed and plan.repeats > before.plan["repeats"]:
            changed.remove("repeats")  # more of the same
        if changed:
            raise click.UsageError(
                f"{file} has changed since study {before.study_id} was begun from it: {', '.join(sorted(changed))}; "
                "give --new to begin anew, or the study another name"
            )
        missing = store.complete_study(before.study_id, repeats=plan.repeats, plan=body, digest=digest)
    except StoreError as error:
        raise CommandError(str(error)) from error
    waiting = store.get_study(before.study_id).states.get("queued", 0)
    total = len(arms) * plan.repeats
    done = total - waiting
    told = f"{done} of {total} runs are done, {waiting} wait" + (f", {missing} of them queued now" if missing else "")
    console.print(f"study {before.study_id}, {plan.name}: {told}", markup=False)
    return store.get_study(before.study_id)


def _measure(store: Store, settings: Settings, study: Study, file: Path) -> None:
    if study.finished:
        return

    left = sum(study.states.get(state, 0) for state in ("queued", *LIVE))

    def cancel() -> None:
        store.cancel_study(study.id)
        click.echo(f"to go on: swaprace study {file}", err=True)

    measure(
        store,
        settings,
        study_id=study.id,
        finished=lambda: store.get_study(study.id).finished,
        cancel=cancel,
        progress=Progress(stderr_console(), left),
    )


def _summary(store: Store, study: Study, plan: StudyPlan) -> list[CellSummary]:
    from server.study.summary import summarize

    try:
        return summarize(store, study, plan.baseline)
    except StoreError as error:
        raise CommandError(str(error)) from error


def _dry_run(store: Store, settings: Settings, plan: StudyPlan, arms: list[Arm], *, as_json: bool) -> None:
    from server.placer import PlacerError, places_of

    try:
        places = places_of(settings)
    except PlacerError as error:
        raise CommandError(str(error)) from error
    listed = list(laid_out(arms, plan.repeats, plan.seed))
    overhead = store.overhead_seconds() or OVERHEAD_SECONDS
    known = [arm.spec.seconds + overhead for arm, *_ in listed if arm.spec.executor == "processes"]
    estimate = sum(known) / max(1, min(places, len(known)))
    if as_json:
        rows = [
            {"arm": arm.name, "cell": arm.cell, "protocol": arm.spec.protocol, "block": block, "seed": seed}
            for arm, block, _, seed in listed
        ]
        body = {"name": plan.name, "runs": rows, "places": places, "estimated_seconds": round(estimate, 1)}
        print_json({**body, "without_estimate": len(listed) - len(known), "plan": plan.model_dump(mode="json")})
        return
    show_plan(stdout_console(), plan, listed, places=places, estimate=estimate, unknown=len(listed) - len(known))


def json_body(study: Study, plan: StudyPlan, cells: list[CellSummary], url: str) -> dict[str, Any]:
    """What `study --json` prints: docs/cli.md describes it."""
    from server.study.summary import json_of

    return {
        "study": study.id,
        "name": study.name,
        "url": url,
        "states": study.states,
        "cells": json_of(cells),
        "plan": plan.model_dump(mode="json"),
    }


def exit_code(cells: list[CellSummary], fail_on_inconclusive: bool, allow_regression: bool) -> int:
    """As of `compare`, over all cells: 3 for a violated law or a regression, 1 for what cannot be compared, 4 doubt."""
    arms = [arm for cell in cells for arm in cell.arms]
    verdicts = {m.verdict for arm in arms if arm.comparison for m in arm.comparison.metrics.values()}
    if any(arm.violated for arm in arms) or ("regressed" in verdicts and not allow_regression):
        return exits.REGRESSION
    if "not_comparable" in verdicts or any(arm.figures.state == "invalid" for arm in arms):
        return exits.ERROR
    return exits.INCONCLUSIVE if fail_on_inconclusive and "inconclusive" in verdicts else exits.OK
