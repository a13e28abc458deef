"""Load tests: what Locust measured when it ended, and each kind of request in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from server.models.base import document, metadata, row_id

load_tests = Table(
    "load_tests",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("created_at", String(27), nullable=False),
    Column("name", Text, nullable=False),
    Column("shape", String(32), nullable=False),
    Column("users", Integer, nullable=False),
    Column("cpu_users", Integer, nullable=False),
    Column("spawn_rate", Float, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("elapsed_ns", BigInteger, nullable=False),
    Column("run_id", row_id, ForeignKey("runs.id")),
    Column("config", document, nullable=False),
    Column("environment", document, nullable=False),
    Column("errors", document, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Index("ix_load_tests_run", "run_id"),
    sqlite_autoincrement=True,
)

load_entries = Table(
    "load_entries",
    metadata,
    Column("load_test_id", row_id, ForeignKey("load_tests.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("sum_ns", BigInteger, nullable=False),
    Column("max_ns", BigInteger, nullable=False),
    Column("buckets", document, nullable=False),  # [[latency_ns, count], ...], latencies of two digits
)
