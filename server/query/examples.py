"""Questions worth asking, shipped with the service. docs/database.md shows each with its words around it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A query of the documentation under a name."""

    name: str
    title: str
    sql: str


EXAMPLES = (
    Example(
        "protocols_side_by_side",
        "Two protocols side by side, one value a run",
        """
SELECT study_id, arm, protocol, count(*) AS runs,
       round(avg(throughput_ops_s)) AS throughput_ops_s, round(avg(p50_ns)) AS p50_ns,
       round(avg(p99_ns)) AS p99_ns, sum(tick_sleeps) AS tick_sleeps
FROM v_runs
WHERE state = 'succeeded' AND study_id IS NOT NULL
GROUP BY study_id, arm, protocol
ORDER BY study_id, arm;
""".strip(),
    ),
    Example(
        "paired_differences",
        "Paired differences of the 99th percentile, one row a block",
        """
SELECT b.study_id, b.block, b.arm AS baseline, c.arm AS candidate, b.value AS before, c.value AS after,
       c.value / b.value - 1 AS change
FROM v_metrics b
JOIN v_metrics c ON c.study_id = b.study_id AND c.block = b.block AND c.metric = b.metric AND c.arm > b.arm
WHERE b.metric = 'p99_ns' AND b.state = 'succeeded' AND c.state = 'succeeded'
ORDER BY b.study_id, b.block;
""".strip(),
    ),
    Example(
        "time_by_cause",
        "Where the time went: ns of each cause per swap-in",
        """
SELECT w.study_id, w.arm, w.cause, sum(w."count") AS waits, sum(w.total_ns) * 1.0 / sum(r.swap_ins) AS ns_per_swap_in,
       max(w.max_ns) AS longest_ns
FROM v_waits w
JOIN v_runs r ON r.run_id = w.run_id
WHERE w.state = 'succeeded'
GROUP BY w.study_id, w.arm, w.cause
ORDER BY w.study_id, w.arm, sum(w.total_ns) DESC;
""".strip(),
    ),
    Example(
        "latency_curve",
        "The curve of a histogram: how many swap-ins took at least so long",
        """
SELECT protocol, lower_ns,
       1.0 * sum(sum("count")) OVER (PARTITION BY protocol ORDER BY lower_ns DESC)
           / sum(sum("count")) OVER (PARTITION BY protocol) AS at_least
FROM v_buckets
WHERE histogram = 'swap_in' AND state = 'succeeded'
GROUP BY protocol, lower_ns
ORDER BY protocol, lower_ns;
""".strip(),
    ),
    Example(
        "broken_laws",
        "Which laws broke, how often, under which protocol",
        """
SELECT protocol, scenario, law, sentence, sum("count") AS times, count(DISTINCT run_id) AS runs
FROM v_violations
GROUP BY protocol, scenario, law, sentence
ORDER BY times DESC;
""".strip(),
    ),
    Example(
        "unlike_machines",
        "Runs that were measured on unlike machines or kernels",
        """
SELECT study_id, "key", count(DISTINCT value) AS values_seen, min(value) AS one, max(value) AS another
FROM v_environment
WHERE "key" IN ('kernel', 'cpu_model', 'host', 'governor', 'clock_source')
GROUP BY study_id, "key";
""".strip(),
    ),
    Example(
        "verdicts",
        "The verdicts so far",
        """
SELECT comparison_id, baseline, candidate, metric, verdict, change, ci_low, ci_high, p_holm, n
FROM v_comparisons
ORDER BY comparison_id DESC, metric;
""".strip(),
    ),
    Example(
        "bad_ends",
        "What ended badly",
        """
SELECT state, reason_code, count(*) AS runs, max(finished_at) AS last, max(reason) AS example
FROM v_runs
WHERE state NOT IN ('succeeded', 'queued')
GROUP BY state, reason_code;
""".strip(),
    ),
    Example(
        "seconds_of_runs",
        "How runs went, second by second",
        """
SELECT s.run_id, s.protocol, (s.at_ns - min(s.at_ns) OVER (PARTITION BY s.run_id)) / 1e9 AS second, s.figure, s.value
FROM v_samples s
ORDER BY s.run_id, s.at_ns, s.figure;
""".strip(),
    ),
    Example(
        "rare_events",
        "Events by protocol",
        """
SELECT protocol, event, sum("count") AS times
FROM v_events
WHERE state = 'succeeded'
GROUP BY protocol, event
HAVING sum("count") > 0
ORDER BY protocol, times DESC;
""".strip(),
    ),
    Example(
        "histograms",
        "Histograms in a nutshell",
        """
SELECT run_id, protocol, histogram, total, sum_ns / total AS mean_ns, max_ns
FROM v_histograms
WHERE total > 0;
""".strip(),
    ),
    Example(
        "studies",
        "How far each study is",
        """
SELECT study_id, name, runs, succeeded, unsuccessful, unfinished
FROM v_studies
WHERE runs > 0;
""".strip(),
    ),
    Example(
        "load_tests",
        "Load tests: CPU users beside HTTP",
        """
SELECT l.load_test_id, l.shape, l.protocol, r.kind, r.name, r.requests, r.requests_s,
       r.sum_ns / r.requests AS mean_ns, r.max_ns
FROM v_loads l JOIN v_requests r ON r.load_test_id = l.load_test_id
WHERE r.requests > 0
ORDER BY l.load_test_id, r.kind, r.name;
""".strip(),
    ),
    Example(
        "explorations",
        "How fast each protocol was explored, and what was covered",
        """
SELECT protocol, scenario, state, count(*) AS explorations, sum(schedules) AS schedules,
       round(avg(schedules_per_second)) AS schedules_per_second, max(exhausted) AS exhausted
FROM v_explorations
WHERE finished_at IS NOT NULL
GROUP BY protocol, scenario, state;
""".strip(),
    ),
    Example(
        "findings",
        "Findings: which strategy finds which law, and how soon",
        """
SELECT protocol, scenario, law, strategy, count(*) AS findings, min(schedules) AS schedules, min(seconds) AS seconds,
       max(token) AS token
FROM v_findings
GROUP BY protocol, scenario, law, strategy
ORDER BY protocol, scenario, law;
""".strip(),
    ),
)
