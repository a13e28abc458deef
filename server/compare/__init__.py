"""The comparison of two arms of runs: paired, by ranks, with a closed set of verdicts (docs/comparison.md).

Pure functions of what runs left behind: nothing here reads the database, the clock or the machine. numpy and scipy are
imported inside the functions that need them, so that a server that compares nothing does not load them.
"""

from server.compare.compare import compare_runs
from server.compare.models import (
    DEFAULT_METRICS,
    ArmFigures,
    Comparison,
    MetricComparison,
    RunFigures,
    Verdict,
    WaitFigures,
)

__all__ = [
    "DEFAULT_METRICS",
    "ArmFigures",
    "Comparison",
    "MetricComparison",
    "RunFigures",
    "Verdict",
    "WaitFigures",
    "compare_runs",
]
