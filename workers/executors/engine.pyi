from typing_extensions import Buffer

from workers.executors.execution import Execution
from workers.schedulers.schedule import Schedule

class Body: ...

class Judge:
    def told(self) -> list[dict[str, str]]: ...

class Engine:
    execution: Execution
    judge: Judge
    delayed_stores: bool
    hash: int
    steps: int
    def __init__(self, buf: Buffer, judge: Judge) -> None: ...
    def prepare(self, bodies: list[Body | None]) -> None: ...
    def use(self, schedule: Schedule, bodies: list[Body | None], step_limit: int) -> None: ...
    def play_batch(self, first: int, nr: int) -> tuple[int, bool]: ...
