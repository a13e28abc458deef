"""`swaprace compare`: two protocols, interleaved trials, a stored comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import click
from pydantic import BaseModel, ConfigDict, ValidationError

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stderr_console, stdout_console
from server.cli.progress import Progress
from server.cli.results import core_is_built, db_option, measure, opened_store, settings_for
from server.cli.spec_options import build_spec, spec_options
from server.cli.tables import show_arms, show_verdicts, show_violations, show_waits
from server.compare.models import Comparison
from server.config import Settings
from server.documents import document_of
from server.store import Store, StoreError
from workers.catalogue import label
from workers.outcome import Violation

Form = Literal["mail", "markdown", "csv", "html"]
FORMS = get_args(Form)
ARM_KEYS = ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "throughput_ops_s", "tick_sleeps")


class Compared(BaseModel):
    """A finished `compare`: the stored comparison with what terminal, JSON and report show of it."""

    model_config = ConfigDict(extra="forbid")

    comparison_id: int
    study_id: int
    url: str
    baseline: str
    candidate: str
    spec: dict[str, Any]
    result: Comparison
    violations: dict[str, list[Violation]]


@click.command("compare")
@click.argument("baseline", metavar="A")
@click.argument("candidate", metavar="B")
@spec_options
@click.option("--trials", type=click.IntRange(1, 1000), default=10, show_default=True, help="Pairs of runs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the first pair.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Print this document in place of the tables.")
@click.option("--report", type=click.Path(dir_okay=False, writable=True), help="Write one self-contained HTML page.")
@click.option("--fail-on-inconclusive", is_flag=True, help="Exit 4 when a metric is inconclusive.")
@click.option("--allow-regression", is_flag=True, help="Exit 0 though a metric regressed; a violated law stays 3.")
@db_option
@json_option
def compare(
    baseline: str,
    candidate: str,
    trials: int,
    seed: int,
    form: Form | None,
    report: str | None,
    fail_on_inconclusive: bool,
    allow_regression: bool,
    db: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Race protocol B against protocol A: interleaved trials, percentiles, waits, and one verdict a metric.

    Both run the same workload with the same seeds, a pair at a time, in alternating order. The runs and the comparison
    are kept in the results database.
    """
    settings = settings_for(db)
    specs = [build_spec(name, given) for name in (baseline, candidate)]
    names = arm_names(baseline, candidate)
    if form and as_json:
        raise click.UsageError("give --format or --json, not both")
    _check_report(report)
    core_is_built()
    with opened_store(settings) as store:
        study_id = run_study(store, settings, dict(zip(names, specs, strict=True)), trials=trials, seed=seed)
        compared = _compare(store, settings, study_id, *names)
        if report is not None:
            _write_report(store, settings, compared, Path(report))
        document = (
            document_of(store, store.get_comparison(compared.comparison_id), form, url=compared.url) if form else ""
        )
    if as_json:
        print_json(json_body(compared))
    elif form:
        click.echo(document, nl=False)
    else:
        _show(compared, db, report)
    code = exit_code(compared, fail_on_inconclusive=fail_on_inconclusive, allow_regression=allow_regression)
    raise click.exceptions.Exit(code)


def arm_names(baseline: str, candidate: str) -> tuple[str, str]:
    """Names of the two arms; the second of two of the same protocol gets a number, as in swap_cache.2."""
    names = label(baseline), label(candidate)
    return names if names[0] != names[1] else (names[0], f"{names[1]}.2")


def _check_report(report: str | None) -> None:
    """A report that cannot be written is told before minutes of measuring, not after."""
    if report is not None and not Path(report).absolute().parent.is_dir():
        raise click.UsageError(f"--report {report}: there is no directory {Path(report).absolute().parent}")


def run_study(
    store: Store, settings: Settings, specs: dict[str, Any], *, trials: int, seed: int, name: str | None = None
) -> int:
    """Measure a study with the arms of `specs` in this process; its number. Raises CommandError."""
    from server.schemas import Arm

    try:
        arms = [Arm(name=name, spec=spec) for name, spec in specs.items()]
        study = store.create_study(arms, repeats=trials, name=name or " against ".join(specs), seed=seed)
    except (StoreError, ValidationError) as error:
        raise CommandError(str(error)) from error
    measure(
        store,
        settings,
        study_id=study.id,
        finished=lambda: store.get_study(study.id).finished,
        cancel=lambda: store.cancel_study(study.id),
        progress=Progress(stderr_console(), study.runs),
    )
    return study.id


def _compare(store: Store, settings: Settings, study_id: int, baseline: str, candidate: str) -> Compared:
    from server.figures import compare_study

    try:
        stored = compare_study(store, study_id, baseline, candidate)
    except StoreError as error:
        raise CommandError(str(error)) from error
    arms = {baseline: stored.baseline_runs, candidate: stored.candidate_runs}
    spec = store.get_run(stored.baseline_runs[0]).spec.model_dump(mode="json", exclude={"protocol", "seed"})
    return Compared(
        comparison_id=stored.id,
        study_id=study_id,
        url=f"http://{settings.host}:{settings.port}/api/v1/comparisons/{stored.id}",
        baseline=baseline,
        candidate=candidate,
        spec=spec,
        result=Comparison.model_validate(stored.result),
        violations={arm: [v for run in runs for v in store.violations_of(run)] for arm, runs in arms.items()},
    )


def _write_report(store: Store, settings: Settings, compared: Compared, path: Path) -> None:
    from server.compare.report import render_report
    from server.figures import figures_of

    arms = {}
    for arm in (compared.baseline, compared.candidate):
        arms[arm] = figures_of(store, [run.id for run in store.study_runs(compared.study_id, arm)])
    page = render_report(compared.result, arms, violations=compared.violations, url=compared.url)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write the report {path}: {error.strerror}") from error


def json_body(compared: Compared) -> dict[str, Any]:
    """What `compare --json` prints: docs/cli.md describes it."""
    arms = {}
    for name, figures in (
        (compared.baseline, compared.result.baseline),
        (compared.candidate, compared.result.candidate),
    ):
        body = figures.model_dump(mode="json")
        arms[name] = {
            "protocol": body["protocol"],
            **{key: body[key] for key in ARM_KEYS},
            "tick_sleeps_per_run": body["tick_sleeps_per_run"],
            "runs": body["runs"],
            "state": body["state"],
            "invalid_reason": body["invalid_reason"],
            "violations": [violation.model_dump(mode="json") for violation in compared.violations[name]],
            "waits": body["waits"],
        }
    metrics = {
        name: {**metric.model_dump(mode="json"), "ci": list(metric.ci) if metric.ci else None}
        for name, metric in compared.result.metrics.items()
    }
    return {
        "comparison": compared.comparison_id,
        "study": compared.study_id,
        "url": compared.url,
        "comparable": compared.result.comparable,
        "reason": compared.result.reason,
        "paired": compared.result.paired,
        "arms": arms,
        "metrics": metrics,
        "violations": [
            {"arm": name, **violation.model_dump(mode="json")}
            for name, found in compared.violations.items()
            for violation in found
        ],
        "spec": compared.spec,
    }


def _show(compared: Compared, db: str | None, report: str | None) -> None:
    console = stdout_console()
    result = compared.result
    arms = {compared.baseline: result.baseline, compared.candidate: result.candidate}
    if any(arm.throughput_ops_s is not None for arm in arms.values()):
        show_arms(console, arms)
        console.print()
        show_waits(console, {name: arm.waits for name, arm in arms.items()})
        console.print()
    show_verdicts(console, result, compared.baseline, compared.candidate)
    show_violations(console, compared.violations)
    console.print()
    serve = "swaprace serve" + (f" --db {db}" if db else "")
    console.print(f"comparison {compared.comparison_id}: {compared.url} (start `{serve}`)", soft_wrap=True)
    if report is not None:
        console.print(f"report: {Path(report).absolute()}", soft_wrap=True)


def exit_code(compared: Compared, *, fail_on_inconclusive: bool, allow_regression: bool = False) -> int:
    """0, or 3 for a violated law or a regression, 1 for arms that cannot be compared, 4 for doubt where asked for."""
    verdicts = {metric.verdict for metric in compared.result.metrics.values()}
    if any(compared.violations.values()) or ("regressed" in verdicts and not allow_regression):
        return exits.REGRESSION
    if "not_comparable" in verdicts:
        return exits.ERROR
    return exits.INCONCLUSIVE if fail_on_inconclusive and "inconclusive" in verdicts else exits.OK
