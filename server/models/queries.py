"""Queries that users keep under a name."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from server.models.base import metadata

saved_queries = Table(
    "saved_queries",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("title", Text, nullable=False),
    Column("sql", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
)
