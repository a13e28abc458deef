"""The tables of the results database.

docs/database.md tells what they hold.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only an INTEGER
STATE_IS_KNOWN = (
    "state IN ('queued', 'starting', 'running', 'cancelling', 'succeeded', 'failed', 'timed_out', 'lost', 'cancelled')"
)


def upgrade() -> None:
    """Make the tables, those first that others refer to."""
    create_requests()
    create_runs()
    create_attempts()
    create_results()


def create_requests() -> None:
    """What was asked: studies, comparisons, and the keys of requests that may come twice."""
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("resource_id", ROW_ID, nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "studies",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arms", DOCUMENT, nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
    )
    op.create_table(
        "comparisons",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("study_id", ROW_ID, nullable=True),
        sa.Column("baseline", sa.String(length=64), nullable=True),
        sa.Column("candidate", sa.String(length=64), nullable=True),
        sa.Column("baseline_runs", DOCUMENT, nullable=False),
        sa.Column("candidate_runs", DOCUMENT, nullable=False),
        sa.Column("result", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_comparisons_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )


def create_runs() -> None:
    """One row a run: the queue and the truth."""
    op.create_table(
        "runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason_code", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("protocol", sa.String(length=64), nullable=False),
        sa.Column("scenario", sa.String(length=64), nullable=False),
        sa.Column("executor", sa.String(length=16), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("config_hash", sa.String(length=64), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=True),
        sa.Column("arm", sa.String(length=64), nullable=True),
        sa.Column("block", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.String(length=27), nullable=True),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("claimed_at", sa.String(length=27), nullable=True),
        sa.Column("running_at", sa.String(length=27), nullable=True),
        sa.Column("finished_at", sa.String(length=27), nullable=True),
        sa.CheckConstraint(STATE_IS_KNOWN, name=op.f("ck_runs_state")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_runs_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_protocol", "runs", ["protocol", "scenario", "id"], unique=False)
    op.create_index("ix_runs_state", "runs", ["state", "id"], unique=False)
    op.create_index("ix_runs_study", "runs", ["study_id", "arm", "block"], unique=False)


def create_attempts() -> None:
    """One row a start of a run, with the circumstances it was done under."""
    op.create_table(
        "attempts",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("run_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("config", DOCUMENT, nullable=False),
        sa.Column("config_hash", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("owner_pid", sa.Integer(), nullable=False),
        sa.Column("owner_start_time", sa.BigInteger(), nullable=False),
        sa.Column("supervisor_pid", sa.Integer(), nullable=True),
        sa.Column("supervisor_start_time", sa.BigInteger(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.String(length=27), nullable=False),
        sa.Column("running_at", sa.String(length=27), nullable=True),
        sa.Column("heartbeat_at", sa.String(length=27), nullable=True),
        sa.Column("finished_at", sa.String(length=27), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("elapsed_ns", sa.BigInteger(), nullable=True),
        sa.Column("metrics", DOCUMENT, nullable=True),
        sa.Column("events", DOCUMENT, nullable=True),
        sa.Column("laws_checked", DOCUMENT, nullable=True),
        sa.Column("environment", DOCUMENT, nullable=True),
        sa.Column("evidence", DOCUMENT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_attempts_run_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_attempts")),
        sa.UniqueConstraint("run_id", "number", name=op.f("uq_attempts_run_id")),
    )


def create_results() -> None:
    """What an attempt left."""
    op.create_table(
        "histograms",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("sum_ns", sa.BigInteger(), nullable=False),
        sa.Column("max_ns", sa.BigInteger(), nullable=False),
        sa.Column("buckets", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_histograms_attempt")),
        sa.PrimaryKeyConstraint("attempt", "name", name=op.f("pk_histograms")),
    )
    op.create_table(
        "samples",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("figures", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_samples_attempt")),
        sa.PrimaryKeyConstraint("attempt", "at_ns", name=op.f("pk_samples")),
    )
    op.create_table(
        "violations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("law", sa.String(length=64), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_violations_attempt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violations")),
    )
    op.create_index(op.f("ix_violations_attempt"), "violations", ["attempt"], unique=False)
    op.create_table(
        "waits",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("total_ns", sa.BigInteger(), nullable=False),
        sa.Column("max_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_waits_attempt")),
        sa.PrimaryKeyConstraint("attempt", "cause", name=op.f("pk_waits")),
    )


def downgrade() -> None:
    """Drop the tables, those first that refer to others."""
    op.drop_table("waits")
    op.drop_index(op.f("ix_violations_attempt"), table_name="violations")
    op.drop_table("violations")
    op.drop_table("samples")
    op.drop_table("histograms")
    op.drop_table("attempts")
    op.drop_index("ix_runs_study", table_name="runs")
    op.drop_index("ix_runs_state", table_name="runs")
    op.drop_index("ix_runs_protocol", table_name="runs")
    op.drop_table("runs")
    op.drop_table("comparisons")
    op.drop_table("studies")
    op.drop_table("idempotency_keys")
