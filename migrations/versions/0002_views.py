"""Views over the results: what people query. docs/database.md documents every column.

A view shows the last attempt of a run. Figures that are read whole lie in JSON; the views open them, in SQLite's words:
a PostgreSQL database gets its views by a later migration, which makes them anew for both.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RUN = "r.id AS run_id, r.study_id, r.arm, r.block, r.protocol, r.scenario, r.state"

V_RUNS = """
SELECT r.id AS run_id, r.study_id, r.arm, r.block, r.position, r.protocol, r.scenario, r.state,
       r.reason_code, r.reason, r.executor, r.cpus, r.seed, r.config_hash,
       r.spec ->> '$.seconds' AS seconds, r.spec ->> '$.hz' AS hz, r.spec ->> '$.lock' AS lock,
       r.spec ->> '$.device.kind' AS device_kind, r.spec ->> '$.device.read_ns' AS device_read_ns,
       r.attempts, r.created_at, r.claimed_at, r.running_at, r.finished_at, a.elapsed_ns,
       a.metrics ->> '$.throughput_ops_s' AS throughput_ops_s,
       a.metrics ->> '$.p50_ns' AS p50_ns, a.metrics ->> '$.p90_ns' AS p90_ns, a.metrics ->> '$.p99_ns' AS p99_ns,
       a.metrics ->> '$.p999_ns' AS p999_ns, a.metrics ->> '$.p9999_ns' AS p9999_ns,
       a.metrics ->> '$.operations' AS operations, a.metrics ->> '$.swap_ins' AS swap_ins,
       a.metrics ->> '$.tick_sleeps' AS tick_sleeps, a.metrics ->> '$.cpu_ns' AS cpu_ns,
       (SELECT coalesce(sum(v."count"), 0) FROM violations v WHERE v.attempt = r.attempt) AS violations
FROM runs r LEFT JOIN attempts a ON a.token = r.attempt
"""

V_METRICS = f"""
SELECT {RUN}, m.key AS metric, m.value AS value
FROM runs r JOIN attempts a ON a.token = r.attempt, json_each(a.metrics) m
"""

V_EVENTS = f"""
SELECT {RUN}, e.key AS event, e.value AS "count"
FROM runs r JOIN attempts a ON a.token = r.attempt, json_each(a.events) e
"""

V_WAITS = f"""
SELECT {RUN}, w.cause, w."count", w.total_ns, w.max_ns
FROM runs r JOIN waits w ON w.attempt = r.attempt
"""

V_VIOLATIONS = f"""
SELECT {RUN}, v.law, v.sentence, v.detail, v."count", v.schedule
FROM runs r JOIN violations v ON v.attempt = r.attempt
"""

V_SAMPLES = f"""
SELECT {RUN}, s.at_ns, f.key AS figure, f.value AS value
FROM runs r JOIN samples s ON s.attempt = r.attempt, json_each(s.figures) f
"""

V_HISTOGRAMS = f"""
SELECT {RUN}, h.name AS histogram, h.total, h.sum_ns, h.max_ns
FROM runs r JOIN histograms h ON h.attempt = r.attempt
"""

V_BUCKETS = f"""
SELECT {RUN}, h.name AS histogram,
       b.value ->> '$[0]' AS lower_ns, b.value ->> '$[1]' AS upper_ns, b.value ->> '$[2]' AS "count"
FROM runs r JOIN histograms h ON h.attempt = r.attempt, json_each(h.buckets) b
"""

V_ENVIRONMENT = f"""
SELECT {RUN}, e.key AS "key", e.value AS value
FROM runs r JOIN attempts a ON a.token = r.attempt, json_each(a.environment) e
"""

V_STUDIES = """
SELECT s.id AS study_id, s.name, s.repeats, s.seed, s.created_at, json_array_length(s.arms) AS arms,
       count(r.id) AS runs,
       coalesce(sum(r.state = 'succeeded'), 0) AS succeeded,
       coalesce(sum(r.state IN ('failed', 'timed_out', 'lost', 'cancelled')), 0) AS unsuccessful,
       coalesce(sum(r.state IN ('queued', 'starting', 'running', 'cancelling')), 0) AS unfinished
FROM studies s LEFT JOIN runs r ON r.study_id = s.id
GROUP BY s.id
"""

V_COMPARISONS = """
SELECT c.id AS comparison_id, c.created_at, c.study_id, c.baseline, c.candidate, m.key AS metric,
       m.value ->> '$.verdict' AS verdict, m.value ->> '$.reason' AS reason,
       m.value ->> '$.baseline' AS baseline_value, m.value ->> '$.candidate' AS candidate_value,
       m.value ->> '$.change' AS change, m.value ->> '$.ci[0]' AS ci_low, m.value ->> '$.ci[1]' AS ci_high,
       m.value ->> '$.p' AS p, m.value ->> '$.p_holm' AS p_holm, m.value ->> '$.n' AS n
FROM comparisons c, json_each(c.result, '$.metrics') m
"""

VIEWS = {
    "v_runs": V_RUNS,
    "v_metrics": V_METRICS,
    "v_waits": V_WAITS,
    "v_events": V_EVENTS,
    "v_histograms": V_HISTOGRAMS,
    "v_buckets": V_BUCKETS,
    "v_samples": V_SAMPLES,
    "v_violations": V_VIOLATIONS,
    "v_environment": V_ENVIRONMENT,
    "v_studies": V_STUDIES,
    "v_comparisons": V_COMPARISONS,
}


def upgrade() -> None:
    """Make the views of SQLite."""
    if op.get_context().dialect.name != "sqlite":
        return
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop the views of SQLite."""
    if op.get_context().dialect.name != "sqlite":
        return
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
