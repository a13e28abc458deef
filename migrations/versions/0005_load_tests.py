"""Load tests, and the views over them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only an INTEGER

V_LOADS = """
SELECT t.id AS load_test_id, t.created_at, t.name, t.shape, t.users, t.cpu_users, t.spawn_rate, t.workers,
       t.elapsed_ns, t.run_id, r.protocol, t.requests, t.failures
FROM load_tests t LEFT JOIN runs r ON r.id = t.run_id
"""

V_REQUESTS = """
SELECT e.load_test_id, t.created_at, t.shape, t.run_id, e.kind, e.name, e.requests, e.failures, e.sum_ns, e.max_ns,
       CAST(e.requests AS DOUBLE PRECISION) * 1000000000 / t.elapsed_ns AS requests_s
FROM load_entries e JOIN load_tests t ON t.id = e.load_test_id
"""

VIEWS = {"v_loads": V_LOADS, "v_requests": V_REQUESTS}


def upgrade() -> None:
    """Make the tables and the views."""
    op.create_table(
        "load_tests",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shape", sa.String(32), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("cpu_users", sa.Integer(), nullable=False),
        sa.Column("spawn_rate", sa.Float(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("elapsed_ns", sa.BigInteger(), nullable=False),
        sa.Column("run_id", ROW_ID, nullable=True),
        sa.Column("config", DOCUMENT, nullable=False),
        sa.Column("environment", DOCUMENT, nullable=False),
        sa.Column("errors", DOCUMENT, nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_load_tests_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_tests")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_load_tests_run", "load_tests", ["run_id"])
    op.create_table(
        "load_entries",
        sa.Column("load_test_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("sum_ns", sa.BigInteger(), nullable=False),
        sa.Column("max_ns", sa.BigInteger(), nullable=False),
        sa.Column("buckets", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["load_test_id"], ["load_tests.id"], name=op.f("fk_load_entries_load_test_id")),
        sa.PrimaryKeyConstraint("load_test_id", "kind", "name", name=op.f("pk_load_entries")),
    )
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop them again."""
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("load_entries")
    op.drop_index("ix_load_tests_run", table_name="load_tests")
    op.drop_table("load_tests")
