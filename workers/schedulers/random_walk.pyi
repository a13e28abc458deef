from workers.schedulers.schedule import Schedule

class RandomWalk(Schedule):
    def __init__(self, seed: int) -> None: ...
