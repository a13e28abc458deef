"""Named sets of runs, and the machines that runs were measured on."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text

from server.models.base import document, metadata, row_id

baselines = Table(
    "baselines",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("note", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
)

baseline_runs = Table(
    "baseline_runs",
    metadata,
    Column("baseline_id", row_id, ForeignKey("baselines.id"), primary_key=True),
    Column("run_id", row_id, ForeignKey("runs.id"), primary_key=True),
    Index("ix_baseline_runs_run", "run_id"),
)

hosts = Table(
    "hosts",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("first_seen", String(27), nullable=False),
    Column("last_seen", String(27), nullable=False),
    Column("environment", document),  # of the newest attempt that was measured there
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("host_id", row_id, ForeignKey("hosts.id"), nullable=False, index=True),
    Column("study_id", row_id, ForeignKey("studies.id"), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("result", document, nullable=False),  # server.calibration.NoiseFloor
)
