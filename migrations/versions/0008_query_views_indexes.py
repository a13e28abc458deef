"""Figures of a run that lists sort by, indexes for lists of 100,000 runs, kept queries, and the views in both
databases' words.

docs/database.md and server/query/views.py document every column of the views.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FIGURES = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")
INDEXES = {
    "ix_runs_protocol_id": ("runs", ["protocol", "id"]),
    "ix_runs_scenario_id": ("runs", ["scenario", "id"]),
    "ix_runs_study_id": ("runs", ["study_id", "id"]),
    "ix_runs_study_state": ("runs", ["study_id", "state"]),
    "ix_runs_host_id": ("runs", ["host", "id"]),
    "ix_runs_finished_at": ("runs", ["finished_at", "id"]),
    "ix_runs_attempt": ("runs", ["attempt"]),
    "ix_comparisons_study_id": ("comparisons", ["study_id"]),
    **{f"ix_runs_{name}": ("runs", [name, "id"]) for name in FIGURES},
}
READER = "swaprace_reader"

RUN = "r.id AS run_id, r.study_id, r.arm, r.block, r.protocol, r.scenario, r.state"
LAST = "FROM runs r JOIN attempts a ON a.token = r.attempt"
SUCCEEDED, UNSUCCESSFUL, UNFINISHED = (
    "'succeeded'",
    "'failed', 'timed_out', 'lost', 'cancelled'",
    "'queued', 'starting', 'running', 'cancelling'",
)


class Words:
    """What the two databases say differently: how a field of a JSON document is read, and how one is opened.

    SQLite gives a field its own type; PostgreSQL gives text, which is cast.
    """

    def __init__(self, dialect: str) -> None:
        self.is_sqlite = dialect == "sqlite"

    def field(self, document: str, path: str, kind: str = "") -> str:
        """The field at a dotted path, as `kind`: double precision, bigint, or text when not told."""
        if self.is_sqlite:
            keys = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))
            return f"{document} ->> '${keys}'"
        text = f"{document} #>> '{{{path.replace('.', ',')}}}'"
        cast = {"bigint": "::numeric::bigint", "double precision": "::double precision", "": ""}[kind]
        return f"({text}){cast}" if cast else text

    def real(self, document: str, path: str) -> str:
        """A field that is a number."""
        return f"{self.field(document, path, 'double precision')} AS {path.rpartition('.')[2]}"

    def whole(self, document: str, path: str) -> str:
        """A field that is a whole number."""
        return f"{self.field(document, path, 'bigint')} AS {path.rpartition('.')[2]}"

    def each(self, document: str, name: str) -> str:
        """The members of an object as rows of `key` and `value`."""
        return f"{'json_each' if self.is_sqlite else 'json_each_text'}({document}) {name}"

    def number(self, value: str, kind: str = "double precision") -> str:
        """The value of a member that is a number."""
        return value if self.is_sqlite else f"{value}::{kind}"


def views_of_runs(words: Words) -> dict[str, str]:
    """The views with one row a run and figure of it."""
    metric, spec = "a.metrics", "r.spec"
    return {
        "v_runs": f"""
            SELECT {RUN}, r.position, r.reason_code, r.reason, r.executor, r.cpus, r.seed, r.config_hash,
                {words.real(spec, "seconds")}, {words.whole(spec, "hz")}, {words.field(spec, "lock")} AS lock,
                {words.field(spec, "device.kind")} AS device_kind,
                {words.field(spec, "device.read_ns", "bigint")} AS device_read_ns,
                r.attempts, r.created_at, r.claimed_at, r.running_at, r.finished_at, r.host, a.elapsed_ns,
                r.throughput_ops_s, r.p50_ns, {words.real(metric, "p90_ns")}, r.p99_ns, r.p999_ns,
                {words.real(metric, "p9999_ns")}, {words.whole(metric, "operations")},
                {words.whole(metric, "swap_ins")}, {words.whole(metric, "tick_sleeps")},
                {words.whole(metric, "cpu_ns")},
                (SELECT coalesce(sum(v."count"), 0) FROM violations v WHERE v.attempt = r.attempt) AS violations
            FROM runs r LEFT JOIN attempts a ON a.token = r.attempt""",
        "v_metrics": f"""
            SELECT {RUN}, m.key AS metric, {words.number("m.value")} AS value {LAST}, {words.each(metric, "m")}""",
        "v_events": f"""
            SELECT {RUN}, e.key AS event, {words.number("e.value", "bigint")} AS "count"
            {LAST}, {words.each("a.events", "e")}""",
        "v_environment": f"""
            SELECT {RUN}, e.key AS "key", e.value AS value {LAST}, {words.each("a.environment", "e")}""",
        "v_waits": f"""
            SELECT {RUN}, w.cause, w."count", w.total_ns, w.max_ns
            FROM runs r JOIN waits w ON w.attempt = r.attempt""",
        "v_violations": f"""
            SELECT {RUN}, v.law, v.sentence, v.detail, v."count", v.schedule
            FROM runs r JOIN violations v ON v.attempt = r.attempt""",
        "v_samples": f"""
            SELECT {RUN}, s.at_ns, f.key AS figure, {words.number("f.value")} AS value
            FROM runs r JOIN samples s ON s.attempt = r.attempt, {words.each("s.figures", "f")}""",
        "v_histograms": f"""
            SELECT {RUN}, h.name AS histogram, h.total, h.sum_ns, h.max_ns
            FROM runs r JOIN histograms h ON h.attempt = r.attempt""",
    }


def views_of_the_rest(words: Words) -> dict[str, str]:
    """Buckets of histograms, studies and comparisons."""
    buckets = "json_each(h.buckets) b" if words.is_sqlite else "json_array_elements(h.buckets) b(value)"
    metrics = "json_each(c.result, '$.metrics') m" if words.is_sqlite else "json_each(c.result -> 'metrics') m"
    lower, upper, count = (words.field("b.value", str(i), "bigint") for i in range(3))
    figures = ", ".join(
        f"{words.field('m.value', path, kind)} AS {name}"
        for path, kind, name in (
            ("verdict", "", "verdict"),
            ("reason", "", "reason"),
            ("baseline", "double precision", "baseline_value"),
            ("candidate", "double precision", "candidate_value"),
            ("change", "double precision", "change"),
            ("ci.0", "double precision", "ci_low"),
            ("ci.1", "double precision", "ci_high"),
            ("p", "double precision", "p"),
            ("p_holm", "double precision", "p_holm"),
            ("n", "bigint", "n"),
        )
    )
    return {
        "v_buckets": f"""
            SELECT {RUN}, h.name AS histogram, {lower} AS lower_ns, {upper} AS upper_ns, {count} AS "count"
            FROM runs r JOIN histograms h ON h.attempt = r.attempt, {buckets}""",
        "v_studies": f"""
            SELECT s.id AS study_id, s.name, s.repeats, s.seed, s.created_at, json_array_length(s.arms) AS arms,
                count(r.id) AS runs,
                count(r.id) FILTER (WHERE r.state IN ({SUCCEEDED})) AS succeeded,
                count(r.id) FILTER (WHERE r.state IN ({UNSUCCESSFUL})) AS unsuccessful,
                count(r.id) FILTER (WHERE r.state IN ({UNFINISHED})) AS unfinished
            FROM studies s LEFT JOIN runs r ON r.study_id = s.id
            GROUP BY s.id""",
        "v_comparisons": f"""
            SELECT c.id AS comparison_id, c.created_at, c.study_id, c.baseline, c.candidate, m.key AS metric, {figures}
            FROM comparisons c, {metrics}""",
    }


def views(dialect: str) -> dict[str, str]:
    """Name -> query of every view."""
    words = Words(dialect)
    return {**views_of_runs(words), **views_of_the_rest(words)}


def upgrade() -> None:
    """Columns and their values of the runs that are there, indexes, views."""
    dialect = op.get_context().dialect.name
    for name in FIGURES:
        op.add_column("runs", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("runs", sa.Column("host", sa.Text(), nullable=True))
    columns = [f"{name} = {Words(dialect).field('a.metrics', name, 'double precision')}" for name in FIGURES]
    columns.append(f"host = {Words(dialect).field('a.environment', 'host')}")
    op.execute(f"UPDATE runs SET {', '.join(columns)} FROM attempts a WHERE a.token = runs.attempt")
    for name, (table, of) in INDEXES.items():
        op.create_index(name, table, of)
    op.create_table(
        "saved_queries",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_saved_queries")),
    )
    context.script.get_revision("0002").module.downgrade()
    for name, query in views(dialect).items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    if dialect == "postgresql":
        let_a_reader_read()


def views_of_before() -> list[str]:
    """The views over load tests, which both databases have since 0005."""
    return list(context.script.get_revision("0005").module.VIEWS)


def let_a_reader_read() -> None:
    """A role that may read the views and nothing else: what queries of /api/v1/query run as.

    A user who may not make roles gets a database whose queries are refused, with the words that an administrator needs.
    """
    shown = ", ".join([*views("postgresql"), *views_of_before()])
    op.execute(f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
                CREATE ROLE {READER} NOLOGIN;
            END IF;
            EXECUTE 'GRANT {READER} TO ' || quote_ident(current_user);
            EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO {READER}';
            GRANT SELECT ON {shown} TO {READER};
        EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation OR internal_error THEN
            RAISE NOTICE 'the role {READER} cannot be made here';
        END $$""")


def downgrade() -> None:
    """The views of before, and neither the indexes nor the columns."""
    dialect = op.get_context().dialect.name
    for name in views(dialect):
        op.execute(f"DROP VIEW {name}")
    if dialect == "postgresql":
        op.execute(f"""
            DO $$ BEGIN
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
                    REVOKE SELECT ON {", ".join(views_of_before())} FROM {READER};
                    EXECUTE 'REVOKE USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' FROM {READER}';
                END IF;
            END $$""")
    op.drop_table("saved_queries")
    for name, (table, _columns) in INDEXES.items():
        op.drop_index(name, table_name=table)
    for name in ("host", *FIGURES):
        op.drop_column("runs", name)
    context.script.get_revision("0002").module.upgrade()
