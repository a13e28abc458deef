from workers.cpu import Cpu

class AttachedCpu(Cpu):
    def __init__(self, fileno: int) -> None: ...
