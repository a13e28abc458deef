"""The tables of the results database, an area a file. docs/database.md explains them and the views."""

from __future__ import annotations

from server.models.base import document, metadata
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

__all__ = [
    "attempts",
    "comparisons",
    "document",
    "histograms",
    "idempotency_keys",
    "metadata",
    "runs",
    "samples",
    "studies",
    "violations",
    "waits",
]
