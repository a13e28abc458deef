from typing import Any

from workers.spec import RunSpec

class Workload:
    def __init__(self, spec: RunSpec, shape: Any) -> None: ...
    def page_of(self, u: float) -> int: ...
