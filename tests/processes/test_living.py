"""What a living run says of the last second: the histogram of what has come since the sample before."""

from __future__ import annotations

import mmap
from typing import Any

from workers.living import Living, since


def histogram(counts: dict[int, int]) -> dict[str, Any]:
    """A histogram with buckets of 100 ns, by their lower bounds."""
    lower = sorted(counts)
    return {
        "lower_ns": lower,
        "upper_ns": [each + 100 for each in lower],
        "counts": [counts[each] for each in lower],
        "total": sum(counts.values()),
        "max_ns": lower[-1] + 99,
    }


class Counters:
    """A core whose counters are what the test says."""

    def __init__(self) -> None:
        self.swap_ins: dict[str, Any] = {}
        self.waited_ns = 0

    def progress(self, _buf: mmap.mmap) -> dict[str, Any]:
        return {"operations": self.swap_ins["total"]}

    def figures(self, _buf: mmap.mmap, _plan: Any) -> dict[str, Any]:
        waits = {"tick_sleep": {"count": 1, "total_ns": self.waited_ns, "max_ns": 1}}
        return {"histograms": {"swap_in": self.swap_ins}, "waits": waits}


def test_since_holds_what_is_new_alone() -> None:
    recent = since(histogram({0: 5, 100: 7, 900: 2}), histogram({0: 5, 100: 3}))
    assert recent["lower_ns"] == [100, 900]
    assert recent["counts"] == [4, 2]
    assert (recent["total"], recent["max_ns"]) == (6, 999)
    assert since(histogram({0: 1}), histogram({0: 1}))["total"] == 0


def test_each_sample_tells_of_the_time_since_the_one_before() -> None:
    core = Counters()
    living = Living(core, mmap.mmap(-1, mmap.PAGESIZE), None)  # type: ignore[arg-type]
    core.swap_ins = histogram({0: 20_000})
    first = living.sample()
    assert first["operations"] == 20_000
    assert first["p50_ns"] == 50
    core.swap_ins, core.waited_ns = histogram({0: 20_000, 5_000: 20_000}), 7
    second = living.sample()
    assert second["p50_ns"] == 5_050
    assert second["p99_ns"] == 5_099
    assert second["wait_tick_sleep_ns"] == 7
    core.swap_ins = histogram({0: 20_000, 5_000: 20_050})
    third = living.sample()
    assert third["p50_ns"] == 5_050
    assert third["p99_ns"] is None, "fewer than 100 lie beyond it"
