"""Interleavings that runs left behind, step by step."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from server.models.base import document, metadata

timelines = Table(
    "timelines",
    metadata,
    Column("attempt", String(32), ForeignKey("attempts.token"), primary_key=True),
    Column("source", String(16), nullable=False),
    Column("steps", Integer, nullable=False),
    Column("document", document, nullable=False),  # workers.timeline.Timeline
)
