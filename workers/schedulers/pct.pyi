from workers.schedulers.random_walk import RandomWalk

class PCT(RandomWalk):
    depth: int
    n: int
    k: int
    settled: int
    fair_after: int
    def __init__(self, seed: int, depth: int = 3, k: int = 1, fair_after: int = 10_000) -> None: ...
    def missed(self, executions: int | None = None) -> float: ...
