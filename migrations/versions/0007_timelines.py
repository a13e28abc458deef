"""Timelines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One of each attempt that left one."""
    op.create_table(
        "timelines",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.token"], name=op.f("fk_timelines_attempt")),
        sa.PrimaryKeyConstraint("attempt", name=op.f("pk_timelines")),
    )


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("timelines")
