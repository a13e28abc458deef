"""What a finished study says: figures of every arm, and in each cell the others against the baseline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from server.compare import ArmFigures, Comparison
from server.compare.arms import arm_figures
from server.figures import figures_of, make_comparison
from server.schemas import Arm, ComparisonCreate, Study
from server.store import Store
from server.study.matrix import cells_of


@dataclass(frozen=True)
class ArmSummary:
    """An arm of a cell, its figures, and its comparison with the baseline of the cell; None for the baseline."""

    arm: Arm
    figures: ArmFigures
    comparison_id: int | None
    comparison: Comparison | None
    violated: list[str]


@dataclass(frozen=True)
class CellSummary:
    """A cell: its label, None where the study has one only, and its arms, the baseline first."""

    label: str | None
    arms: list[ArmSummary]


def summarize(store: Store, study: Study, baseline: str | None) -> list[CellSummary]:
    """Figures and comparisons of a finished study, cell by cell; comparisons are kept, and made once of the same runs.

    `baseline` is a protocol; in a cell without it the first arm stands in. Raises ConflictError for unfinished runs.
    """
    return [
        CellSummary(label, _arms(store, study, sorted(arms, key=lambda arm: arm.spec.protocol != baseline)))
        for label, arms in cells_of(study.arms).items()
    ]


def _arms(store: Store, study: Study, arms: list[Arm]) -> list[ArmSummary]:
    found = []
    ids = {arm.name: [run.id for run in store.study_runs(study.id, arm.name)] for arm in arms}
    first = arms[0]
    for arm in arms:
        figures = arm_figures(figures_of(store, ids[arm.name]))
        violated = sorted({violation.law for run_id in ids[arm.name] for violation in store.violations_of(run_id)})
        comparison_id, comparison = None, None
        if arm is not first:
            asked = ComparisonCreate(study=study.id, baseline=first.name, candidate=arm.name)
            made_of = hashlib.sha256(repr((study.id, ids[first.name], ids[arm.name])).encode()).hexdigest()
            stored = make_comparison(store, asked, idempotency_key=f"study-{study.id}-{made_of}")
            comparison_id, comparison = stored.id, Comparison.model_validate(stored.result)
        found.append(ArmSummary(arm, figures, comparison_id, comparison, violated))
    return found


def json_of(summary: list[CellSummary]) -> list[dict[str, Any]]:
    """The cells as `swaprace study --json` prints them."""
    return [
        {
            "cell": cell.label,
            "arms": [
                {
                    "arm": each.arm.name,
                    "protocol": each.arm.spec.protocol,
                    "figures": each.figures.model_dump(mode="json"),
                    "violated": each.violated,
                    "comparison": each.comparison_id,
                    "comparable": None if each.comparison is None else each.comparison.comparable,
                    "reason": None if each.comparison is None else each.comparison.reason,
                    "metrics": None
                    if each.comparison is None
                    else {name: metric.model_dump(mode="json") for name, metric in each.comparison.metrics.items()},
                }
                for each in cell.arms
            ],
        }
        for cell in summary
    ]
