"""Two arms of runs in, one verdict a metric out."""

from __future__ import annotations

from collections.abc import Sequence

from server.compare.arms import arm_figures
from server.compare.holm import holm
from server.compare.likeness import differing_keys, protocols
from server.compare.models import (
    ALPHA,
    DEFAULT_METRICS,
    EQUIVALENCE_MARGIN,
    HIGHER_IS_BETTER,
    Comparison,
    RunFigures,
)
from server.compare.pairing import Pairing, pair_runs
from server.compare.verdicts import judge, measure


def compare_runs(
    baseline: Sequence[RunFigures],
    candidate: Sequence[RunFigures],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> Comparison:
    """Compare two arms of runs over the metrics declared beforehand.

    Runs are paired by (block, seed) when each arm has one run a block, else compared as two samples. Unlike
    circumstances and invalid runs are answers (`not_comparable`), not errors. Raises ValueError for an arm without
    runs, for no metric, and for a metric that is not in HIGHER_IS_BETTER.
    """
    _check(baseline, candidate, metrics)
    pairing = pair_runs(baseline, candidate)
    pairs = list(zip(pairing.baseline, pairing.candidate, strict=True)) if pairing.paired else []
    unlike = differing_keys([*baseline, *candidate], pairs)
    arms = arm_figures(baseline), arm_figures(candidate)
    reason = _why_not_comparable(baseline, candidate, unlike)
    measured = {metric: measure(metric, pairing, barred=reason) for metric in metrics}
    adjusted = holm({metric: m.shift.p if m.shift else None for metric, m in measured.items()})
    judged = {
        metric: judge(measured[metric], adjusted[metric], pairing, family=len(metrics), barred=reason)
        for metric in metrics
    }
    return Comparison(
        comparable=reason is None,
        reason=reason,
        differing_keys=list(unlike),
        paired=pairing.paired,
        n=pairing.n,
        method=_method(pairing, len(metrics)),
        alpha=ALPHA,
        equivalence_margin=EQUIVALENCE_MARGIN,
        baseline=arms[0],
        candidate=arms[1],
        metrics=judged,
        notes=[*pairing.notes, *_hosts_note([*baseline, *candidate])],
    )


def _check(baseline: Sequence[RunFigures], candidate: Sequence[RunFigures], metrics: Sequence[str]) -> None:
    for name, runs in (("baseline", baseline), ("candidate", candidate)):
        if not runs:
            raise ValueError(f"the {name} arm has no runs: a comparison needs at least one on each side")
    if not metrics or len(set(metrics)) != len(metrics):
        raise ValueError(f"metrics must be declared once each, and at least one; got {list(metrics)}")
    for metric in metrics:
        if metric not in HIGHER_IS_BETTER:
            raise ValueError(f"metric {metric!r} cannot be compared; known are {', '.join(HIGHER_IS_BETTER)}")


def _why_not_comparable(
    baseline: Sequence[RunFigures], candidate: Sequence[RunFigures], unlike: dict[str, list[str]]
) -> str | None:
    """One sentence, or None: laws come first, because no likeness makes a broken run a fast one."""
    for name, runs in (("baseline", baseline), ("candidate", candidate)):
        figures = arm_figures(runs)
        if figures.state == "invalid":
            return f"the {name} arm is invalid, not fast: {figures.invalid_reason}"
    for name, runs in (("baseline", baseline), ("candidate", candidate)):
        if len(protocols(runs)) > 1:
            return f"the {name} arm mixes protocols: {', '.join(protocols(runs))}"
    if unlike:
        listed = "; ".join(f"{key} ({' against '.join(values)})" for key, values in unlike.items())
        return f"the runs differ in {listed}"
    return None


def _hosts_note(runs: Sequence[RunFigures]) -> list[str]:
    hosts = sorted({str(run.environment["host"]) for run in runs if "host" in run.environment})
    return [f"pairs were measured on {len(hosts)} hosts: {', '.join(hosts)}"] if len(hosts) > 1 else []


def _method(pairing: Pairing, family: int) -> str:
    test = "Wilcoxon signed-rank over blocks" if pairing.paired else "Mann-Whitney over runs"
    return (
        f"Log-ratio per run, Hodges-Lehmann estimate, 95 % interval by inverting the {test}, "
        f"Holm over {family} metric{'s' if family > 1 else ''}; closed loop"
    )
