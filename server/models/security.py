"""Who may ask, and who changed what: tokens by their hash, and one row for every change.

A token's text is nowhere: only its sha-256. Rows of `audit` are written once and never changed.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text

from server.models.base import metadata, row_id

tokens = Table(
    "tokens",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scope", String(8), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("expires_at", String(27)),
    Column("revoked_at", String(27)),
    Column("last_used_at", String(27)),
    CheckConstraint("scope IN ('read', 'run', 'admin')", name="scope"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("at", String(27), nullable=False),
    Column("who", String(80), nullable=False),
    Column("scope", String(8), nullable=False),
    Column("remote", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("made", Text),
    Column("request_id", String(64), nullable=False),
    Index("ix_audit_at", "at"),
    sqlite_autoincrement=True,
)
