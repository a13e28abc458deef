from typing_extensions import Buffer

from workers.cpu import Cpu
from workers.spec import RunSpec

class Program:
    cpu: Cpu
    device: bool
    def __init__(self, buf: Buffer, spec: RunSpec, cpu: int, on: Cpu | None = None) -> None: ...
    def prepare(self) -> None: ...
    def run(self) -> int: ...
