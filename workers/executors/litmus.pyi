from typing import TypedDict

from workers.schedulers.schedule import Schedule

PROGRAMS: dict[str, str]
STEP_LIMIT: int

class Played(TypedDict):
    verdict: str
    legal: bool
    played: int
    steps: int
    hash: int
    recording: str
    trace: bytes
    lines: list[str]
    waiting: str
    refusal: str
    last_steps: int
    exhausted: bool
    unfair: int

def play(
    program: str,
    *,
    cpus: int = 3,
    seed: int = 1,
    first: int = 0,
    schedules: int = 1000,
    replay: str | None = None,
    schedule: Schedule | None = None,
    delayed_stores: bool = False,
    liveness: bool = False,
) -> Played: ...
def each(program: str, schedule: Schedule, *, cpus: int = 3, schedules: int = 1000) -> list[tuple[str, str, bool]]: ...
