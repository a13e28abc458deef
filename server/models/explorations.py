"""Explorations of interleavings, what each of them has found, and findings that were played again."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from server.exploring.states import STATES
from server.models.base import document, metadata, row_id

explorations = Table(
    "explorations",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("protocol", String(64), nullable=False),
    Column("scenario", String(64), nullable=False),
    Column("strategy", String(16), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("spec", document, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("started_at", String(27)),
    Column("finished_at", String(27)),
    # Who plays it: a process of a host, which renews the lease while it lives.
    Column("owner_host", String(255)),
    Column("owner_pid", Integer),
    Column("owner_start_time", BigInteger),
    Column("lease_until", String(27)),
    # As far as it is while it lives, in the end those of the outcome.
    Column("schedules", BigInteger, nullable=False, server_default="0"),
    Column("steps", BigInteger, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("schedules_per_second", Float),
    Column("exhausted", Integer),  # 0 or 1: every interleaving was covered
    Column("coverage", document),  # workers.exploration.StrategyTold, one a strategy
    Column("starvation", document),
    Column("laws_checked", document),
    Column("known", document),  # what the version is known to break, and was seen to
    Column("environment", document),
    CheckConstraint("state IN ({})".format(", ".join(f"'{state}'" for state in STATES)), name="state"),
    Index("ix_explorations_state", "state", "id"),
    Index("ix_explorations_finished_at", "finished_at", "id"),
    sqlite_autoincrement=True,
)

findings = Table(
    "findings",
    metadata,
    Column("exploration_id", row_id, ForeignKey("explorations.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("law", String(64), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("strategy", String(16), nullable=False),
    Column("schedules", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("preemptions", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("diagram", document, nullable=False),  # lines of 72 columns at most
)

finding_timelines = Table(
    "finding_timelines",
    metadata,
    Column("exploration_id", row_id, ForeignKey("explorations.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("steps", Integer, nullable=False),
    Column("document", document, nullable=False),  # workers.timeline.Timeline
)

replays = Table(
    "replays",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("created_at", String(27), nullable=False),
    Column("token", Text, nullable=False),
    Column("verdict", document, nullable=False),  # what the replay said, less its timeline
    Column("timeline", document),  # workers.timeline.Timeline
    Index("ix_replays_created_at", "created_at", "id"),
    sqlite_autoincrement=True,
)
