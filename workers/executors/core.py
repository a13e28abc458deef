"""The compiled core as a run of real processes sees it: `Core` says what it must do, `CompiledCore` is it.

The compiled modules are loaded when a CompiledCore is made: in the supervisor, before it forks its CPUs, and nowhere in
the service.
"""

from __future__ import annotations

import mmap
from typing import Any, Protocol

from workers.spec import RunSpec


class Program(Protocol):
    """One CPU of a run."""

    def prepare(self) -> None:
        """Make the address spaces and fill the memory: CPU 0 only, before the gate."""
        ...

    def run(self) -> int:
        """Be the CPU until the stop word is set. 0, or a positive code when the core found itself wrong."""
        ...


class Core(Protocol):
    """What a run needs of the core. `buf` is the mapped segment, `plan` what `plan` gave for its spec."""

    def plan(self, spec: RunSpec) -> Any:
        """geometry, size (bytes of the segment), workers (processes, the disk's last), shape."""
        ...

    def format(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> None: ...

    def Program(self, buf: mmap.mmap, spec: RunSpec, cpu: int, /) -> Program: ...

    def set_stop(self, buf: mmap.mmap) -> None: ...

    def progress(self, buf: mmap.mmap) -> dict[str, Any]: ...

    def figures(self, buf: mmap.mmap, plan: Any) -> dict[str, Any]: ...

    def check_laws(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """What does not hold, all CPUs at rest: law, sentence, detail, count each."""
        ...

    def check_warned(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """What the CPUs have warned of at their own steps, whether they came to rest or not: as check_laws."""
        ...

    def check_known(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """What does not hold as it is known not to, all CPUs at rest: as check_laws, and `known`, why, each."""
        ...

    def timeline(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> dict[str, Any]:
        """What the CPUs' trace rings hold, all CPUs at rest: a workers.timeline.Timeline as a dict."""
        ...

    def laws_for(self, spec: RunSpec) -> list[str]:
        """Ids of the laws that a run of this spec answers for."""
        ...


class CompiledCore:
    """The core of this checkout. ImportError when it is not built."""

    def __init__(self) -> None:
        import workers.executors.control as control
        import workers.executors.plan as plan
        import workers.executors.program as program
        import workers.executors.timeline as timeline
        from workers.invariants import registry

        self._registry = registry
        self.plan = plan.plan
        self.format = control.format_run
        self.Program = program.Program
        self.set_stop = control.set_stop
        self.progress = control.progress
        self.figures = control.figures
        self.timeline = timeline.trace_timeline

    def check_laws(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """The laws of the spec's protocol, on the segment at rest."""
        return [] if spec.laws == "off" else self._registry.check_at_rest(buf, spec.protocol)

    def check_warned(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """The laws of the spec's protocol that a step has told broken, on a segment that did not come to rest."""
        return [] if spec.laws == "off" else self._registry.check_warned(buf, spec.protocol)

    def check_known(self, buf: mmap.mmap, plan: Any, spec: RunSpec) -> list[dict[str, Any]]:
        """The laws that the spec's protocol is known to break, on the segment at rest."""
        return [] if spec.laws == "off" else self._registry.check_known(buf, spec.protocol)

    def laws_for(self, spec: RunSpec) -> list[str]:
        """None when the laws of the run are off."""
        return [] if spec.laws == "off" else self._registry.laws_for(spec.protocol)
