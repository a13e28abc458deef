from workers.schedulers.schedule import Schedule

class Replay(Schedule):
    def __init__(self, schedule: str) -> None: ...
