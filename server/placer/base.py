"""The contract of a placer: submit, cancel, poll, capacity."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from server.config import PREFIX, Settings
from server.places import Place
from server.store import Claim

CPU_SET = f"{PREFIX}CPU_SET"
PLACERS = "local, dask=ADDRESS (such as dask=tcp://127.0.0.1:8786), slurm or slurm=JOBS"
DEFAULT_JOBS = 4  # of ours in Slurm's queue at a time, where nothing else is asked for
MAX_JOBS = 10_000


class PlacerError(RuntimeError):
    """An engine cannot be used or does not take a run: which one, and what would be right."""


@dataclass(frozen=True, repr=False)
class Delivery:
    """What an engine carries to where a run is measured: which attempt, and the settings, which name the database.

    An engine may log what it carries, and the address of a database may hold a password: hence no repr of it.
    """

    token: str
    settings: str

    @classmethod
    def of(cls, claim: Claim, settings: Settings) -> Delivery:
        """The delivery of a claim."""
        return cls(claim.token, settings.model_dump_json())

    def settings_there(self) -> Settings:
        """The settings of whoever placed, with the CPUs that the environment of the process here names."""
        settings = Settings.model_validate_json(self.settings)
        return settings.model_copy(update={"cpu_set": os.environ.get(CPU_SET) or None})

    def __repr__(self) -> str:
        return f"<Delivery {self.token}>"


@dataclass(frozen=True)
class Stage:
    """How far an engine is with an attempt: it waits or is attended to, or the engine is done with it, and why."""

    state: Literal["placed", "ended"]
    code: str = ""
    sentence: str = ""


PLACED = Stage("placed")


@dataclass(frozen=True)
class Capacity:
    """The places of an engine, each once, and those that are free as far as it knows; None for one of its choice."""

    places: list[Place]
    free: list[Place | None]

    def beside(self, place: Place | None) -> list[Place]:
        """The other places."""
        return [other for other in self.places if other != place]


class Placer(Protocol):
    """An engine that takes attempts to where they are measured. Its methods are called from one thread.

    Every placer has the same `attend` called there, in a thread or a process of the engine; that takes the attempt up,
    starts the supervisor `python -m workers`, and writes to the database until the run is over.
    """

    name: str

    def capacity(self) -> Capacity:
        """What the engine has, and what of it may take a run now."""

    def submit(self, claim: Claim) -> None:
        """Have the attempt measured at the place of its claim. Raises PlacerError where the engine does not take it."""

    def cancel(self, token: str) -> None:
        """Have the attempt ended, whether it waits or is measured; with it goes the whole tree of its processes.

        A cancel also reaches the attempt through the database; this is the way that needs none.
        """

    def poll(self, token: str) -> Stage:
        """How far the engine is; once it has ended nothing of the attempt is left, whatever its row says."""

    def close(self) -> None:
        """Let go of the engine. Attempts that it still has go on."""


def placer_named(text: str, settings: Settings, on_end: Callable[[], None]) -> Placer:
    """The engine of a text such as `dask=tcp://lab1:8786`; it may call `on_end`, from any thread, when an attempt ends.

    Raises PlacerError.
    """
    kind, _, rest = text.partition("=")
    if kind == "dask" and rest:
        from server.placer.dask_cluster import DaskPlacer

        return DaskPlacer(rest, settings, on_end)
    if kind == "slurm" and (not rest or (rest.isdecimal() and 1 <= int(rest) <= MAX_JOBS)):
        from server.placer.slurm import SlurmPlacer

        return SlurmPlacer(settings, jobs=int(rest or DEFAULT_JOBS))
    raise PlacerError(f"there is no placer {text!r}; give {PLACERS}")


def places_of(settings: Settings) -> int:
    """At how many places at once the placer of the settings would measure. Raises PlacerError."""
    if settings.placer == "local":
        return 1
    placer = placer_named(settings.placer, settings, lambda: None)
    try:
        return len(placer.capacity().free)
    finally:
        placer.close()
