"""Baselines; hosts and their calibrations; the journal of an attempt; what a run retries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only an INTEGER

HOSTS_SEEN = """
INSERT INTO hosts (name, first_seen, last_seen, environment)
SELECT seen.host, seen.first_seen, seen.last_seen,
       (SELECT a.environment FROM attempts a
        WHERE a.claimed_at = seen.last_seen AND a.environment ->> 'host' = seen.host ORDER BY a.token LIMIT 1)
FROM (SELECT environment ->> 'host' AS host, min(claimed_at) AS first_seen, max(claimed_at) AS last_seen
      FROM attempts WHERE environment ->> 'host' IS NOT NULL GROUP BY environment ->> 'host') AS seen
"""


def upgrade() -> None:
    """Make the tables and columns, and fill them from what is stored."""
    create_baselines()
    create_hosts()
    op.add_column("runs", sa.Column("retry_of", ROW_ID, nullable=True))
    op.add_column("attempts", sa.Column("journal", sa.Text(), nullable=True))
    op.create_index("ix_runs_retry_of", "runs", ["retry_of"], unique=False)
    op.execute(HOSTS_SEEN)


def create_baselines() -> None:
    """Named sets of runs."""
    op.create_table(
        "baselines",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baselines")),
        sa.UniqueConstraint("name", name=op.f("uq_baselines_name")),
    )
    op.create_table(
        "baseline_runs",
        sa.Column("baseline_id", ROW_ID, nullable=False),
        sa.Column("run_id", ROW_ID, nullable=False),
        sa.ForeignKeyConstraint(["baseline_id"], ["baselines.id"], name=op.f("fk_baseline_runs_baseline_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_baseline_runs_run_id")),
        sa.PrimaryKeyConstraint("baseline_id", "run_id", name=op.f("pk_baseline_runs")),
    )
    op.create_index("ix_baseline_runs_run", "baseline_runs", ["run_id"], unique=False)


def create_hosts() -> None:
    """Machines, and what an A/A comparison told of each."""
    op.create_table(
        "hosts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("first_seen", sa.String(length=27), nullable=False),
        sa.Column("last_seen", sa.String(length=27), nullable=False),
        sa.Column("environment", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosts")),
        sa.UniqueConstraint("name", name=op.f("uq_hosts_name")),
    )
    op.create_table(
        "calibrations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("host_id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("result", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_calibrations_host_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_calibrations_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibrations")),
    )
    op.create_index(op.f("ix_calibrations_host_id"), "calibrations", ["host_id"], unique=False)


def downgrade() -> None:
    """Drop them again."""
    op.drop_index("ix_runs_retry_of", table_name="runs")
    op.drop_column("attempts", "journal")
    op.drop_column("runs", "retry_of")
    op.drop_index(op.f("ix_calibrations_host_id"), table_name="calibrations")
    op.drop_table("calibrations")
    op.drop_table("hosts")
    op.drop_index("ix_baseline_runs_run", table_name="baseline_runs")
    op.drop_table("baseline_runs")
    op.drop_table("baselines")
