"""Stored comparisons as documents: JSON, CSV, Markdown, HTML and the block for a mail. What API and commands give out.

server.compare brings numpy along, so it is imported when a document is asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from server.cli.spec_options import options_of
from server.figures import figures_of
from server.schemas import Run, StoredComparison
from server.store import Store

if TYPE_CHECKING:
    from server.compare.texts import Told

Format = Literal["json", "csv", "markdown", "html", "mail"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "markdown": "text/markdown",
    "html": "text/html",
    "mail": "text/plain",
}


def document_of(store: Store, stored: StoredComparison, form: Format, *, url: str) -> str:
    """A stored comparison as a document. `url` is its address on the server. Raises NotFoundError for pruned runs."""
    from server.compare import Comparison
    from server.compare.texts import csv_text, mail_block, markdown

    if form == "json":
        return stored.model_dump_json(indent=2) + "\n"
    comparison = Comparison.model_validate(stored.result)
    if form == "csv":
        return csv_text(comparison)
    arms = [store.get_runs(ids) for ids in (stored.baseline_runs, stored.candidate_runs)]
    names = arm_names(stored, arms)
    if form == "html":
        return _report(store, stored, names, url)
    told = _told(store, stored, names, arms)
    return markdown(comparison, told) if form == "markdown" else mail_block(comparison, told)


def arm_names(stored: StoredComparison, arms: Sequence[Sequence[Run]]) -> tuple[str, str]:
    """Names of both sides: those they were asked for by, else their protocols; two that are the same get a number."""
    return told_apart((stored.baseline, stored.candidate), [[run.protocol for run in runs] for runs in arms])


def told_apart(given: Sequence[str | None], protocols: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Names of two sides: as they are `given`, else the protocols of their runs."""
    names = [name or ", ".join(sorted(set(of_side))) for name, of_side in zip(given, protocols, strict=True)]
    return names[0], names[1] if names[1] != names[0] else f"{names[1]}.2"


def _report(store: Store, stored: StoredComparison, names: tuple[str, str], url: str) -> str:
    from server.compare import Comparison
    from server.compare.report import render_report

    lists = (stored.baseline_runs, stored.candidate_runs)
    return render_report(
        Comparison.model_validate(stored.result),
        {name: figures_of(store, ids) for name, ids in zip(names, lists, strict=True)},
        violations={
            name: [violation for run_id in ids for violation in store.violations_of(run_id)]
            for name, ids in zip(names, lists, strict=True)
        },
        url=url,
    )


def _told(store: Store, stored: StoredComparison, names: tuple[str, str], arms: Sequence[Sequence[Run]]) -> Told:
    from server.compare.texts import Told

    runs = [run for of_arm in arms for run in of_arm]
    (first,) = store.results_of([runs[0].id])
    return Told(
        baseline=names[0],
        candidate=names[1],
        workload=workload_text(runs[0]),
        host=host_text(first.environment),
        laws=laws_text(runs),
        command=command_of(arms),
    )


def workload_text(run: Run) -> str:
    """What a run did, in a line."""
    spec = run.spec
    scenario = f"trace {spec.trace}" if spec.trace else spec.scenario
    devices = [
        f"{each.kind} (read {each.read_ns / 1e3:g} us, write {each.write_ns / 1e3:g} us)" for each in spec.devices
    ]
    parts = [
        scenario,
        f"{spec.cpus} CPUs",
        f"HZ={spec.hz}",
        " and ".join(devices),
        f"memcg v{spec.memcg.version}",
        f"{spec.access} access",
    ]
    if spec.mix:
        parts.append("mix " + ", ".join(f"{operation} {weight}" for operation, weight in spec.mix.items()))
    if spec.swapoff_every_ms:
        parts.append(f"swapoff every {spec.swapoff_every_ms} ms")
    return ", ".join([*parts, f"{spec.seconds:g} s a run"])


def host_text(environment: dict[str, Any]) -> str:
    """Where a run was measured, in a line."""
    sha = environment.get("git_sha")
    known = [
        environment.get("host"),
        environment.get("kernel"),
        environment.get("cpu_model"),
        f"{environment['cores']} cores" if environment.get("cores") else None,
        f"governor {environment['governor']}" if environment.get("governor") else None,
        f"swaprace {sha[:12]}{' with changes' if environment.get('git_dirty') else ''}" if sha else None,
    ]
    return ", ".join(str(part) for part in known if part) or "not recorded"


def laws_text(runs: Sequence[Run]) -> str:
    """Whether the laws held in all runs."""
    broken = [run for run in runs if run.state_reason is not None and run.state_reason.code == "law_violated"]
    if broken:
        first = broken[0].state_reason
        return f"broken in {len(broken)} of {len(runs)} runs; run {broken[0].id}: {first.sentence if first else ''}"
    checked = {law for run in runs for law in run.laws_checked or []}
    return f"{len(checked)} checked, all held in {len(runs)} runs" if checked else "not checked"


def command_of(arms: Sequence[Sequence[Run]]) -> str:
    """The command that makes such a comparison again."""
    before, after = arms[0][0].spec, arms[1][0].spec
    options = options_of(before.model_copy(update={"seed": 1})) or []
    trials = str(min(len(of_arm) for of_arm in arms))
    seed = str(min(run.seed for of_arm in arms for run in of_arm))
    words = ["swaprace", "compare", before.protocol, after.protocol, *options, "--trials", trials, "--seed", seed]
    return shlex.join(words)
