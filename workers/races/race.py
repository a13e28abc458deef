"""What a race is, the machine that all begin with, and first steps that many share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Step = tuple[str | int, ...]


@dataclass(frozen=True)
class Race:
    """`race[i]` is what CPU i does. `fields` of workers.spec.RunSpec make the machine; what they leave out is SMALL."""

    name: str
    sentence: str
    before: tuple[Step, ...]
    race: tuple[tuple[Step, ...], ...]
    fields: dict[str, Any] = field(default_factory=dict)


# A machine where every path is near: two clusters, one page unless a race says otherwise, a zram that takes no time.
SMALL: dict[str, Any] = {
    "mms": 2,
    "pages": 1,
    "folios": 16,
    "slots": 16,
    "cluster_slots": 8,
    "device": {"kind": "zram", "read_ns": 0, "write_ns": 0},
    "memcg": {"limit_pages": 48},
    "lockdep": True,
}
STORED: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0))
SWAPPED_OUT: tuple[Step, ...] = (*STORED, ("pageout", 0, 0))
SHARED: tuple[Step, ...] = (*STORED, ("fork", 0, 1))
SHARED_OUT: tuple[Step, ...] = (*SHARED, ("reclaim", 1))
V1 = {"memcg": {"version": 1, "limit_pages": 48}}
# The mms begin in memcgs 2 and 3 in turn; mm 0 has stored a page in memcg 2 and moved to memcg 3.
TWO_CHILDREN = {"memcg": {"limit_pages": 48, "children": 2}}
MOVED_AWAY: tuple[Step, ...] = (*STORED, ("attach", 0, 3))
# A disk whose completions come whenever its CPU is chosen; the pages that were paged out to it, gone from the cache.
QUICK_DISK = {"kind": "disk", "read_ns": 0, "write_ns": 0}
DROPPED: tuple[Step, ...] = (("reclaim", 3), ("reclaim", 3), ("reclaim", 3))
