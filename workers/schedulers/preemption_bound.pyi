from workers.schedulers.schedule import Schedule

class PreemptionBound(Schedule):
    bound: int
    first: int
    limit: int
    exhausted: bool
    complete: bool
    repeated: int
    def __init__(self, limit: int | None = None, first: int = 0) -> None: ...
    def executions(self) -> dict[int, int]: ...
    def exhausted_bound(self) -> int | None: ...

class DepthFirst(PreemptionBound):
    def __init__(self) -> None: ...
