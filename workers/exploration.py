"""What an exploration is asked to do, and what came out of it: JSON in, JSON out, plain data.

`python -m workers.explorer` takes an `ExplorationSpec` and says `ExplorationEvent`s, the last with the outcome.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workers.outcome import KnownBreach
from workers.timeline import Timeline

Strategy = Literal["random", "pct", "pos", "bound", "dpor"]
TickModel = Literal["await", "time", "any"]
# A law; nobody can go on; some can never go on again; a sleeper whose reason is gone; a cycle without progress.
FindingKind = Literal["law", "deadlock", "partial_deadlock", "lost_wakeup", "livelock", "no_progress"]
ReplayStatus = Literal["same", "other", "holds", "diverged", "impossible", "no_token"]
DEFAULT_SECONDS = 10.0


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExplorationSpec(Model):
    """One exploration: of one protocol, in one race (workers/races). Units are last in names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = Field(
        max_length=4096,
        pattern=r"^([a-z][a-z0-9_]{0,63}|/[^:]+\.pyx:[A-Za-z_][A-Za-z0-9_]{0,63})$",
        description="name in the catalogue or the museum, or /PATH.pyx:Class of a protocol outside the tree",
    )
    scenario: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$", description="name of a race")
    strategy: Literal["portfolio", "random", "pct", "pos", "bound", "dpor"] = "portfolio"
    schedules: int | None = Field(None, ge=1, le=1_000_000_000, description="end after so many schedules")
    seconds: float | None = Field(None, gt=0, le=86_400, description="end after so long; 10 when both are left out")
    bound: int | None = Field(None, ge=0, le=16, description="strategy bound: preemptions at most; None: 0, 1, 2, ...")
    depth: int | None = Field(
        None, ge=1, le=16, description="strategy pct: depth of the bugs; None: 2, 3 and 4 in turn"
    )
    seed: int = Field(1, ge=0, lt=1 << 63)
    laws: Literal["off", "at_rest", "every_step"] = Field("every_step", description="where the laws are looked at")
    tick: TickModel | None = Field(
        None, description="when a sleep of one tick may end: await, time or any (docs/explore.md); None: by strategy"
    )
    liveness: bool = Field(False, description="look for cycles without progress and for lost wake-ups as well")
    delayed_stores: bool = Field(
        False, description="unlocks and marked stores may be seen late, up to the next barrier"
    )
    jobs: int = Field(1, ge=1, le=64, description="processes that search at the same time")

    @model_validator(mode="after")
    def _options_belong_to_the_strategy(self) -> ExplorationSpec:
        if self.bound is not None and self.strategy not in ("bound", "portfolio"):
            raise ValueError(f"'bound' belongs to strategy bound, not to {self.strategy}")
        if self.depth is not None and self.strategy not in ("pct", "portfolio"):
            raise ValueError(f"'depth' belongs to strategy pct, not to {self.strategy}")
        return self


class ExplorationFinding(Model):
    """What was found, shrunk. `strategy`, `schedules` and `seconds` tell how it was found before that."""

    kind: FindingKind
    law: str
    sentence: str
    detail: str
    strategy: Strategy
    schedules: int = Field(description="schedules played until it was found")
    seconds: float
    steps: int = Field(description="of the shrunk execution")
    preemptions: int = Field(description="of the shrunk execution: switches away from a CPU that could have gone on")
    token: str = Field(description="swaprace replay TOKEN runs it again")
    diagram: list[str] = Field(description="lines of 72 columns at most")
    timeline: Timeline | None = None


class StrategyTold(Model):
    """What one strategy did. `sentence` says what is covered when it found nothing."""

    strategy: Strategy
    schedules: int
    redundant: int = Field(0, description="schedules given up because they show nothing new (dpor)")
    unfair: int = Field(0, description="schedules over the limit of steps that left a CPU out: they show nothing")
    steps: int
    seconds: float
    exhausted: bool = False
    sentence: str


class ExplorationOutcome(Model):
    """The end of an exploration. status: clean (nothing found), found, cancelled, failed (reason says why)."""

    status: Literal["clean", "found", "cancelled", "failed"]
    reason: str
    findings: list[ExplorationFinding] = []
    strategies: list[StrategyTold] = []
    schedules: int = 0
    steps: int = 0
    seconds: float = 0.0
    schedules_per_second: float = 0.0
    exhausted: bool = False
    starvation: dict[str, int] = Field(
        default_factory=dict, description="largest number of times that others passed a waiter, by lock class"
    )
    laws_checked: list[str] = []
    known: list[KnownBreach] = Field([], description="laws known to be broken, and seen broken after the search")
    environment: dict[str, Any] = {}


class Verdict(Model):
    """What came of a token. The figures are there as far as it got.

    same: byte for byte what was found. other: the law is broken again, by other steps. holds: it is not any more.
    diverged: the choices lead nowhere. impossible: the machine or its first steps cannot be. no_token: see `sentence`.
    """

    status: ReplayStatus
    sentence: str
    law: str | None = None
    kind: FindingKind | None = None
    protocol: str | None = None
    scenario: str | None = None
    protocol_changed: bool | None = Field(None, description="its sources are not those that the token was made with")
    core_changed: bool | None = Field(None, description="what it stands on is not either")
    steps: int | None = None
    preemptions: int | None = None
    steps_hash: str | None = None
    diagram: list[str] = []


class Replayed(Verdict):
    """What `python -m workers.explorer.replay` says."""

    timeline: Timeline | None = None


class ExplorationEvent(Model):
    """A line of a living exploration: `progress` (twice a second), `outcome` last."""

    event: Literal["progress", "outcome"]
    schedules: int | None = None
    seconds: float | None = None
    strategy: Strategy | None = None
    outcome: ExplorationOutcome | None = None


class MuseumSpec(Model):
    """A round through the museum: `python -m workers.explorer.museum` takes one as JSON and says ExhibitTolds."""

    numbers: list[int] | None = Field(None, description="exhibits to play; None: all")
    seconds: float = Field(60.0, gt=0, le=3600, description="at most, for each strategy")
    seeds: int = Field(
        20, ge=1, le=1000, description="seeds with which the first strategy of pct or bound must find it"
    )
    clean_schedules: int = Field(1_000_000, ge=1, description="of the fixed counterpart, unless its space is exhausted")


class ExhibitSearch(Model):
    """How one strategy did: schedules and seconds until it was found, or those that were spent in vain."""

    found: bool
    schedules: int
    seconds: float


class ExhibitTold(Model):
    """What a round has seen of one exhibit. `finding` carries the diagram and the token, and no timeline."""

    number: int
    lines: int = Field(description="of the variant's code, without its head")
    searches: dict[Strategy, ExhibitSearch]
    seeds_strategy: Strategy
    seeds_found: int
    seeds: int
    seeds_most_seconds: float = Field(description="of the slowest seed")
    finding: ExplorationFinding | None
    fixed_schedules: int
    fixed_seconds: float
    fixed_exhausted: bool
    fixed_violation: str | None = Field(description="what was wrong with the fixed counterpart")
    fixed_sentence: str
