"""What an attempt or an exploration broke as its kernel is known to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A document of each; none of those from before."""
    for table in ("attempts", "explorations"):
        op.add_column(table, sa.Column("known", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop it again."""
    for table in ("explorations", "attempts"):
        op.drop_column(table, "known")
