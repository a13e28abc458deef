"""Placements: where each attempt was placed; and the matrix that a study was laid out from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only an INTEGER


def upgrade() -> None:
    """Make both tables, and an index to find the runs of a block."""
    op.create_table(
        "placements",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("placer", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("cpu_set", sa.Text(), nullable=True),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_placements_attempt")),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_placements")),
    )
    op.create_table(
        "study_plans",
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("matrix", DOCUMENT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_plans_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study_plans")),
    )
    op.create_index("ix_study_plans_digest", "study_plans", ["digest"], unique=False)
    op.create_index("ix_runs_block", "runs", ["study_id", "block"], unique=False)


def downgrade() -> None:
    """Drop both tables."""
    op.drop_index("ix_runs_block", table_name="runs")
    op.drop_index("ix_study_plans_digest", table_name="study_plans")
    op.drop_table("study_plans")
    op.drop_table("placements")
