import mmap
from dataclasses import dataclass
from typing import Any

from workers.executors.plan import Plan
from workers.schedulers.schedule import Schedule
from workers.spec import RunSpec
from workers.workloads.script import Scripts

@dataclass(frozen=True)
class Played:
    results: dict[int, list[int | None]]
    verdict: str
    violations: list[dict[str, Any]]
    events: dict[str, int]
    recording: str | None
    @property
    def sound(self) -> bool: ...
    def told(self) -> str: ...

class Unsound(RuntimeError):
    played: Played
    def __init__(self, played: Played) -> None: ...

def small_spec(protocol: str, executor: str, **other: Any) -> RunSpec: ...

class Machine:
    spec: RunSpec
    plan: Plan
    buf: mmap.mmap
    def __init__(self, spec: RunSpec) -> None: ...
    def play(
        self, scripts: Scripts, schedules: int = 1, replay: str | None = None, oracle: Schedule | None = None
    ) -> list[Played]: ...
    def play_soundly(self, scripts: Scripts, schedules: int = 1) -> Played: ...
