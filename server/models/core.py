"""Runs, studies and comparisons, and what attempts bring.

A run is one row of `runs`; each start of it one row of `attempts`; what an attempt brought hangs on its token.
Times are RFC 3339 texts in UTC; JSON columns hold what is read whole.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from server.models.base import document, metadata, row_id
from server.states import STATES

studies = Table(
    "studies",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("arms", document, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("created_at", String(27), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason_code", String(64)),
    Column("reason", Text),
    Column("protocol", String(64), nullable=False),
    Column("scenario", String(64), nullable=False),
    Column("executor", String(16), nullable=False),
    Column("cpus", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("spec", document, nullable=False),
    Column("study_id", row_id, ForeignKey("studies.id")),
    Column("arm", String(64)),
    Column("block", Integer),
    Column("position", Integer),
    Column("retry_of", row_id),  # the run whose spec this one repeats; that row may be pruned
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attempt", String(32)),
    Column("lease_until", String(27)),
    Column("created_at", String(27), nullable=False),
    Column("claimed_at", String(27)),
    Column("running_at", String(27)),
    Column("finished_at", String(27)),
    # Copied from the outcome, so that lists filter and sort by an index: host of the environment, and figures.
    Column("host", Text),
    Column("throughput_ops_s", Float),
    Column("p50_ns", Float),
    Column("p99_ns", Float),
    Column("p999_ns", Float),
    CheckConstraint("state IN ({})".format(", ".join(f"'{state}'" for state in STATES)), name="state"),
    Index("ix_runs_state", "state", "id"),
    Index("ix_runs_study", "study_id", "arm", "block"),
    Index("ix_runs_block", "study_id", "block"),
    Index("ix_runs_protocol", "protocol", "scenario", "id"),
    Index("ix_runs_protocol_id", "protocol", "id"),
    Index("ix_runs_scenario_id", "scenario", "id"),
    Index("ix_runs_study_id", "study_id", "id"),
    Index("ix_runs_study_state", "study_id", "state"),
    Index("ix_runs_host_id", "host", "id"),
    Index("ix_runs_finished_at", "finished_at", "id"),
    Index("ix_runs_attempt", "attempt"),
    Index("ix_runs_throughput_ops_s", "throughput_ops_s", "id"),
    Index("ix_runs_p50_ns", "p50_ns", "id"),
    Index("ix_runs_p99_ns", "p99_ns", "id"),
    Index("ix_runs_p999_ns", "p999_ns", "id"),
    Index("ix_runs_retry_of", "retry_of"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("run_id", row_id, ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("config", document, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("owner_pid", Integer, nullable=False),
    Column("owner_start_time", BigInteger, nullable=False),
    Column("journal", Text),  # file that holds what the supervisor says, on the host of the placement
    Column("supervisor_pid", Integer),
    Column("supervisor_start_time", BigInteger),
    Column("segment", Text),
    Column("claimed_at", String(27), nullable=False),
    Column("running_at", String(27)),
    Column("heartbeat_at", String(27)),
    Column("finished_at", String(27)),
    Column("status", String(16)),
    Column("elapsed_ns", BigInteger),
    Column("metrics", document),
    Column("events", document),
    Column("laws_checked", document),
    Column("known", document),  # what the version is known to break, and did
    Column("environment", document),
    Column("evidence", document),
    UniqueConstraint("run_id", "number"),
)

samples = Table(
    "samples",
    metadata,
    Column("attempt", String(32), ForeignKey("attempts.token"), primary_key=True),
    Column("at_ns", BigInteger, primary_key=True),
    Column("figures", document, nullable=False),
)

histograms = Table(
    "histograms",
    metadata,
    Column("attempt", String(32), ForeignKey("attempts.token"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("sum_ns", BigInteger, nullable=False),
    Column("max_ns", BigInteger, nullable=False),
    Column("buckets", document, nullable=False),  # [[lower_ns, upper_ns, count], ...]
)

violations = Table(
    "violations",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("attempt", String(32), ForeignKey("attempts.token"), nullable=False, index=True),
    Column("law", String(64), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("schedule", Text),
)

waits = Table(
    "waits",
    metadata,
    Column("attempt", String(32), ForeignKey("attempts.token"), primary_key=True),
    Column("cause", String(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("total_ns", BigInteger, nullable=False),
    Column("max_ns", BigInteger, nullable=False),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("created_at", String(27), nullable=False),
    Column("study_id", row_id, ForeignKey("studies.id"), index=True),
    Column("baseline", String(64)),
    Column("candidate", String(64)),
    Column("baseline_runs", document, nullable=False),
    Column("candidate_runs", document, nullable=False),
    Column("result", document, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("resource_id", row_id, nullable=False),
    Column("created_at", String(27), nullable=False),
)
