from typing import Any

class Cpu:
    def lockdep_finding(self) -> dict[str, Any]: ...
