from dataclasses import dataclass

from workers.races import Race
from workers.spec import RunSpec

@dataclass(frozen=True)
class Interleavings:
    executions: int
    redundant: int
    exhausted: bool
    classes: dict[int, int]
    recordings: dict[int, str]
    ambiguous: list[tuple[str, str]]
    unrepeatable: int
    verdicts: dict[str, int]
    steps: int
    seconds: float
    @property
    def states(self) -> set[int]: ...

def interleavings_of(
    spec: RunSpec, race: Race, search: str, most: int = ..., tick: str = ..., twice: bool = ...
) -> Interleavings: ...
