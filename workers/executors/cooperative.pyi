from collections.abc import Callable
from typing import Any

from workers.spec import RunSpec

STEPS_BEYOND: int
STEPS_PER_OPERATION: int

def explore(
    spec: RunSpec, should_stop: Callable[[], bool], on_progress: Callable[[dict[str, int]], object]
) -> dict[str, Any]: ...
