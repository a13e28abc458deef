"""Explorations, their findings, replays, and the views over them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only an INTEGER
STATES = ("queued", "running", "cancelling", "clean", "found", "failed", "lost", "cancelled")
READER = "swaprace_reader"

V_EXPLORATIONS = """
SELECT e.id AS exploration_id, e.state, e.reason, e.protocol, e.scenario, e.strategy, e.seed, e.created_at,
       e.started_at, e.finished_at, e.owner_host AS host, e.schedules, e.steps, e.seconds, e.schedules_per_second,
       e.exhausted, (SELECT count(*) FROM findings f WHERE f.exploration_id = e.id) AS findings
FROM explorations e
"""

V_FINDINGS = """
SELECT f.exploration_id, e.created_at, e.protocol, e.scenario, f.number, f.kind, f.law, f.sentence, f.detail,
       f.strategy, f.schedules, f.seconds, f.steps, f.preemptions, f.token
FROM findings f JOIN explorations e ON e.id = f.exploration_id
"""

VIEWS = {"v_explorations": V_EXPLORATIONS, "v_findings": V_FINDINGS}


def upgrade() -> None:
    """Make the tables and the views."""
    make_explorations()
    make_findings()
    op.create_table(
        "replays",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("verdict", DOCUMENT, nullable=False),
        sa.Column("timeline", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_replays_created_at", "replays", ["created_at", "id"])
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    if op.get_context().dialect.name == "postgresql":
        let_the_reader_read()


def make_explorations() -> None:
    """What was asked, who plays it, and what came out."""
    op.create_table(
        "explorations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("protocol", sa.String(64), nullable=False),
        sa.Column("scenario", sa.String(64), nullable=False),
        sa.Column("strategy", sa.String(16), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=True),
        sa.Column("finished_at", sa.String(27), nullable=True),
        sa.Column("owner_host", sa.String(255), nullable=True),
        sa.Column("owner_pid", sa.Integer(), nullable=True),
        sa.Column("owner_start_time", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.String(27), nullable=True),
        sa.Column("schedules", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("steps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("schedules_per_second", sa.Float(), nullable=True),
        sa.Column("exhausted", sa.Integer(), nullable=True),
        sa.Column("coverage", DOCUMENT, nullable=True),
        sa.Column("starvation", DOCUMENT, nullable=True),
        sa.Column("laws_checked", DOCUMENT, nullable=True),
        sa.Column("environment", DOCUMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in STATES)), name=op.f("ck_explorations_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explorations")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_explorations_state", "explorations", ["state", "id"])
    op.create_index("ix_explorations_finished_at", "explorations", ["finished_at", "id"])


def make_findings() -> None:
    """What was found, and each step of it."""
    op.create_table(
        "findings",
        sa.Column("exploration_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("law", sa.String(64), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("strategy", sa.String(16), nullable=False),
        sa.Column("schedules", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("preemptions", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("diagram", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["exploration_id"], ["explorations.id"], name=op.f("fk_findings_exploration_id")),
        sa.PrimaryKeyConstraint("exploration_id", "number", name=op.f("pk_findings")),
    )
    op.create_table(
        "finding_timelines",
        sa.Column("exploration_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["exploration_id"], ["explorations.id"], name=op.f("fk_finding_timelines_exploration_id")
        ),
        sa.PrimaryKeyConstraint("exploration_id", "number", name=op.f("pk_finding_timelines")),
    )


def let_the_reader_read() -> None:
    """The role that 0008 made reads these views too; where there is none, an administrator's words name them."""
    op.execute(f"""
        DO $$ BEGIN
            GRANT SELECT ON {", ".join(VIEWS)} TO {READER};
        EXCEPTION WHEN undefined_object OR insufficient_privilege THEN
            RAISE NOTICE 'the role {READER} is not there';
        END $$""")


def downgrade() -> None:
    """Drop them again."""
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_index("ix_replays_created_at", table_name="replays")
    op.drop_table("replays")
    op.drop_table("finding_timelines")
    op.drop_table("findings")
    op.drop_index("ix_explorations_finished_at", table_name="explorations")
    op.drop_index("ix_explorations_state", table_name="explorations")
    op.drop_table("explorations")
