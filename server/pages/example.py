"""The newest comparison, as the first page shows it: what came out in words, and the curve."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from pydantic import ValidationError

from server.compare import Comparison
from server.compare.plots import Plots
from server.compare.wording import lead
from server.figures import figures_of
from server.schemas import StoredComparison
from server.store import Store, StoreError

LOOKED_AT = 10
EXAMPLE = "make demo"  # makes one in the database that `swaprace serve` shows


@dataclass(frozen=True)
class Example:
    """A comparison in short. `drawing` is None when its runs are no longer stored."""

    stored: StoredComparison
    baseline: str
    candidate: str
    lead: str
    drawing: Markup | None


class Examples:
    """Finds the example, and keeps the one it has drawn last: a comparison does not change, and its runs are many."""

    def __init__(self) -> None:
        self._drawn: Example | None = None

    def newest(self, store: Store) -> Example | None:
        """The newest comparison of two protocols, among the last few, and no calibration; None where there is none."""
        for stored in store.list_comparisons(limit=LOOKED_AT)[0]:
            drawn = self._drawn
            if drawn is not None and drawn.stored == stored:
                return drawn
            try:
                comparison = Comparison.model_validate(stored.result)
            except ValidationError:
                continue  # a row that cannot be read is no example
            if comparison.comparable and comparison.baseline.protocol != comparison.candidate.protocol:
                self._drawn = _example(store, stored, comparison)
                return self._drawn
        return None


def _example(store: Store, stored: StoredComparison, comparison: Comparison) -> Example:
    baseline = stored.baseline or comparison.baseline.protocol or "baseline"
    candidate = stored.candidate or comparison.candidate.protocol or "candidate"
    drawing = None
    try:
        arms = {
            baseline: figures_of(store, stored.baseline_runs),
            candidate: figures_of(store, stored.candidate_runs),
        }
        drawing = Markup(Plots(comparison, arms).inline("percentiles"))
    except StoreError:
        pass  # its runs were pruned: the words stand without the picture
    return Example(stored, baseline, candidate, lead(comparison, baseline, candidate), drawing)
