"""What a client of the API may ask for beyond what a spec allows: known names, and the caps of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.config import Settings
from server.errors import Fault
from workers.catalogue import PROTOCOLS
from workers.spec import RunSpec

TRACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # a name, never a path: a client reads no files of the host


def faults_of(spec: RunSpec, settings: Settings, pointer: str = "#") -> Iterator[Fault]:
    """What is wrong with a spec that parses; `pointer` is where the spec stands in the body."""
    if spec.protocol not in PROTOCOLS:
        known = ", ".join(sorted(PROTOCOLS))
        yield Fault(pointer=f"{pointer}/protocol", detail=f"there is no protocol {spec.protocol!r}; there are: {known}")
    if spec.cpus > settings.max_cpus:
        yield Fault(pointer=f"{pointer}/cpus", detail=f"this server runs up to {settings.max_cpus} CPUs")
    if spec.seconds > settings.max_seconds:
        yield Fault(pointer=f"{pointer}/seconds", detail=f"this server runs up to {settings.max_seconds:g} s")
    if spec.trace is not None and not TRACE_NAME.fullmatch(spec.trace):
        yield Fault(pointer=f"{pointer}/trace", detail="give the name of a trace of the catalogue; paths are refused")
