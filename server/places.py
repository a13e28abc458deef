"""Where runs are measured: a set of CPUs of a host, on which one run at a time is live."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass

CPU_SET = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")
MAX_CPU = 65_535


@dataclass(frozen=True)
class Place:
    """A host, and which of its CPUs; None stands for all of them. Host names are those of uname(2)."""

    host: str
    cpus: frozenset[int] | None = None

    def overlaps(self, other: Place) -> bool:
        """True when a run at one of them would disturb a run at the other."""
        if self.host != other.host:
            return False
        return self.cpus is None or other.cpus is None or bool(self.cpus & other.cpus)

    def __str__(self) -> str:
        return self.host if self.cpus is None else f"{self.host}:{write_cpus(self.cpus)}"


def this_host() -> str:
    """The name of this host, as an outcome's environment has it."""
    return platform.node()


def here(cpus: frozenset[int] | None = None) -> Place:
    """A place on this host."""
    return Place(this_host(), cpus)


def read_cpus(text: str) -> frozenset[int]:
    """The CPUs of a list as in taskset(1): 0-3,8. Raises ValueError with what would be right."""
    if not CPU_SET.fullmatch(text):
        raise ValueError(f"{text!r} is no set of CPUs; give numbers and ranges, as 0-3,8")
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first) or int(last or first) > MAX_CPU:
            raise ValueError(f"{part!r} is no range of CPUs; give the smaller number first, up to {MAX_CPU}")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def write_cpus(cpus: frozenset[int]) -> str:
    """The list that `read_cpus` reads, as short as it gets."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def usable_cpus() -> frozenset[int]:
    """The CPUs that this thread may run on."""
    return frozenset(os.sched_getaffinity(0))
