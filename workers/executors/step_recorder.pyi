from typing import Any

from workers.executors.execution import Execution

class StepRecorder:
    """Keeps the steps of a replay.

    `told`: first (number of the first step kept), steps (at_ns, offset of the object or 0, cpu, kind, cause, enabled,
    waited, return addresses from the innermost on), changes (number of the step counted from 1, or 0 for the value
    before it; region; index of the word in it; value).
    """

    def __init__(self, execution: Execution) -> None: ...
    def detach(self) -> None: ...
    def told(self) -> dict[str, Any]: ...
