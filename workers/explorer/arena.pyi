from typing import Any

from workers.races import Race
from workers.schedulers.schedule import Schedule
from workers.spec import RunSpec

KINDS: dict[str, str]
LAWS_OF_RUN: dict[str, str]

def spec_of(protocol: str, race: Race, laws: str = ...) -> RunSpec: ...

class Arena:
    """`told` of the last execution: dicts of kind, law, sentence, detail, count."""

    race: Race
    spec: RunSpec
    steps: int
    last_steps: int
    last_hash: int
    judged: int
    redundant: int
    unfair: int
    exhausted: bool
    preemptions: int
    def __init__(
        self,
        protocol: str,
        race: Race,
        laws: str = ...,
        tick: str = ...,
        liveness: bool = ...,
        delayed_stores: bool = ...,
        judge_each: bool = ...,
    ) -> None: ...
    def use(self, schedule: Schedule) -> None: ...
    def play(self, first: int, nr: int) -> tuple[int, bool]: ...
    def verdict(self) -> str: ...
    def told(self) -> list[dict[str, Any]]: ...
    def known(self, schedules: int) -> list[dict[str, Any]]: ...
    def recording(self) -> str: ...
    def starvation(self) -> dict[str, int]: ...
    def laws_checked(self) -> list[str]: ...
    def timeline(self, recording: str) -> dict[str, Any]: ...
    def trace_lines(self) -> list[str]: ...
    def trace_bytes(self) -> bytes: ...
