"""One interleaving, step by step: the JSON that a replay or a trace leaves and that the page /timeline shows.

docs/timeline-format.md tells every field. Plain data: who makes one knows the core, who shows one does not.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_STEPS = 2_000  # kept of a replay, the last ones: about 1 MB, and more than anybody steps through
MAX_RECORDS = 400  # kept of a trace, around the last contention: some 50 KB a run

# Of a replay, from `start` to `end` (docs/cooperative.md); of a trace, what a CPU's ring tells.
StepKind = Literal[
    "start",
    "atomic",
    "acquire",
    "trylock",
    "release",
    "park",
    "tick",
    "busy",
    "end",
    "swap_in",
    "tick_sleep",
    "folio_wait",
    "add_folio",
    "del_folio",
    "free_slot",
    "alloc_slot",
    "warn",
    "swapoff",
    "wait",
]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Touched(Model):
    """What a step touches: `type` is its array in the segment or the class of its lock, `name` tells it apart."""

    type: str
    name: str
    lock: bool = False
    slot: str | None = Field(None, pattern=r"^\d+:\d+$", description="device:offset")
    pfn: int | None = None


class SlotState(Model):
    """A swap slot: its count, the kind of its table word (null, shadow, pfn, bad) with the value, SWAP_HAS_CACHE.

    A trace tells only whether the table holds a folio: `word` is pfn or uncached, `count` and `has_cache` are None.
    """

    slot: str = Field(pattern=r"^\d+:\d+$")
    word: str
    value: int | None = None
    count: int | None = None
    has_cache: bool | None = None
    memcg: int = Field(0, description="cgroup id recorded on the slot; 0: none")


class FolioState(Model):
    """A folio: flags, references, and who holds its lock (a CPU, or a read under way)."""

    pfn: int
    flags: list[str]
    refcount: int
    mapcount: int
    locked_by: str | None = None


class PteState(Model):
    """A page-table entry: none, present with the PFN of its folio, swap with its slot, or poisoned; no other bits."""

    mm: int
    page: int
    kind: Literal["none", "present", "swap", "poisoned"]
    pfn: int | None = None
    slot: str | None = Field(None, pattern=r"^\d+:\d+$", description="device:offset")


class Step(Model):
    """One step of one CPU. `slots`, `folios` and `ptes` are what it has changed, as they are after it."""

    at_ns: int
    cpu: int
    kind: StepKind
    object: Touched | None = None
    waited: bool = Field(False, description="a decision found the step disabled: the CPU waited before it")
    duration_ns: int | None = Field(None, description="of a wait or a sleep that ends here")
    cause: str | None = Field(None, description="of a wait, one of workers.outcome.WAIT_CAUSES")
    enabled: int | None = Field(None, description="how many CPUs could have gone on")
    where: list[str] = Field(default_factory=list, description="file:function, innermost first")
    slots: list[SlotState] = Field(default_factory=list)
    folios: list[FolioState] = Field(default_factory=list)
    ptes: list[PteState] = Field(default_factory=list)


class Finding(Model):
    """A law that this interleaving breaks."""

    law: str
    sentence: str
    detail: str


class Timeline(Model):
    """An interleaving. `at_ns` is virtual in a replay, and counted from the first record in a trace.

    `slots`, `folios` and `ptes`: the states before the first step, of all that the steps change or touch.
    """

    format: Literal["swaprace-timeline"] = "swaprace-timeline"
    version: Literal[1] = 1
    source: Literal["replay", "trace"]
    protocol: str
    scenario: str
    hz: int
    cpus: list[str] = Field(description="names by number; after the working CPUs those of the disks, and who discards")
    steps: list[Step] = Field(max_length=MAX_STEPS)
    slots: list[SlotState] = Field(default_factory=list)
    folios: list[FolioState] = Field(default_factory=list)
    ptes: list[PteState] = Field(default_factory=list)
    left_out_before: int = 0
    left_out_between: int = Field(0, description="records of a trace within the shown time that concern other slots")
    left_out_after: int = 0
    ending: str
    findings: list[Finding] = Field(default_factory=list)
