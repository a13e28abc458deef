"""How far an exploration is: a line that changes on a terminal, nothing in a pipe. On standard error."""

from __future__ import annotations

from types import TracebackType

from rich import progress as rich_progress
from rich.console import Console

from workers.exploration import DEFAULT_SECONDS, ExplorationEvent, ExplorationSpec


class ExplorationProgress:
    """A context manager; `show` takes every event of the explorer."""

    def __init__(self, console: Console, spec: ExplorationSpec) -> None:
        self._by_schedules = spec.schedules is not None
        self._total = float(spec.schedules) if spec.schedules is not None else spec.seconds or DEFAULT_SECONDS
        self._bar: rich_progress.Progress | None = None
        self._task: rich_progress.TaskID | None = None
        if console.is_terminal:
            self._bar = rich_progress.Progress(
                rich_progress.BarColumn(),
                rich_progress.TimeElapsedColumn(),
                rich_progress.TextColumn("{task.description}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(f"{spec.protocol}, {spec.scenario}", total=self._total)

    def __enter__(self) -> ExplorationProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, event: ExplorationEvent) -> None:
        """Show one event."""
        if self._bar is None or self._task is None or event.event != "progress":
            return
        done = event.schedules if self._by_schedules else event.seconds
        words = f"{event.strategy or ''} {event.schedules or 0:,} schedules".strip()
        self._bar.update(self._task, completed=min(self._total, done or 0), description=words)
