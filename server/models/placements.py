"""Where each attempt was placed, and which file a study was laid out from."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from server.models.base import document, metadata, row_id

placements = Table(
    "placements",
    metadata,
    Column("attempt", String(32), ForeignKey("attempts.token"), primary_key=True),
    Column("placer", String(16), nullable=False),
    Column("host", String(255)),  # NULL until an engine that chooses the host has chosen one
    Column("cpu_set", Text),  # as 0-3,8; NULL stands for all CPUs of the host
    Column("deliveries", Integer, nullable=False, server_default="0"),  # an engine may deliver twice: one is taken up
    Column("begun_at", String(27)),
)

study_plans = Table(
    "study_plans",
    metadata,
    Column("study_id", row_id, ForeignKey("studies.id"), primary_key=True),
    Column("matrix", document, nullable=False),
    Column("digest", String(64), nullable=False),  # of what the runs are made from: two plans with one are one
    Column("created_at", String(27), nullable=False),
    Index("ix_study_plans_digest", "digest"),
)
