"""The tables of the results database, an area a file. docs/database.md explains them and the views."""

from __future__ import annotations

from server.models.base import document, metadata, row_id
from server.models.core import (
    attempts,
    comparisons,
    histograms,
    idempotency_keys,
    runs,
    samples,
    studies,
    violations,
    waits,
)
from server.models.explorations import explorations, finding_timelines, findings, replays
from server.models.hosts import baseline_runs, baselines, calibrations, hosts
from server.models.load import load_entries, load_tests
from server.models.placements import placements, study_plans
from server.models.queries import saved_queries
from server.models.security import audit, tokens
from server.models.timelines import timelines

__all__ = [
    "attempts",
    "audit",
    "baseline_runs",
    "baselines",
    "calibrations",
    "comparisons",
    "document",
    "explorations",
    "finding_timelines",
    "findings",
    "histograms",
    "hosts",
    "idempotency_keys",
    "load_entries",
    "load_tests",
    "metadata",
    "placements",
    "replays",
    "row_id",
    "runs",
    "samples",
    "saved_queries",
    "studies",
    "study_plans",
    "timelines",
    "tokens",
    "violations",
    "waits",
]
