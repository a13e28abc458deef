"""How far a study is: a bar on a terminal, one line a run in a pipe. Both on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich import progress as rich_progress
from rich.console import Console

from server.compare.wording import ns_text, rate_text

if TYPE_CHECKING:
    from server.dispatcher import Notice
    from server.schemas import Run


class Progress:
    """Shows `runs` runs as they end. A context manager; `notice` is what the dispatcher calls."""

    def __init__(self, console: Console, runs: int) -> None:
        self._console = console
        self._runs = runs
        self._ended = 0
        self._bar: rich_progress.Progress | None = None
        self._task: rich_progress.TaskID | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            bar = rich_progress.Progress(
                rich_progress.BarColumn(),
                rich_progress.MofNCompleteColumn(),
                rich_progress.TimeElapsedColumn(),
                rich_progress.TimeRemainingColumn(),
                rich_progress.TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._task = bar.add_task("starting", total=self._runs)
            bar.start()
            self._bar = bar
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def notice(self, notice: Notice) -> None:
        """Show one notice of the dispatcher; `claimed` and `finished` carry their run."""
        if notice.run is None:
            return
        if notice.kind == "claimed" and self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=_name(notice.run))
        elif notice.kind == "finished":
            self._ended += 1
            if self._bar is not None and self._task is not None:
                self._bar.advance(self._task)
            if self._bar is None or notice.run.state != "succeeded":
                self._console.print(
                    f"run {self._ended} of {self._runs}: {_name(notice.run)}: {_end(notice.run)}",
                    soft_wrap=True,
                    markup=False,
                )


def _name(run: Run) -> str:
    return f"{run.arm or run.protocol}, block {run.block}" if run.block is not None else run.protocol


def _end(run: Run) -> str:
    if run.state != "succeeded":
        reason = run.state_reason.sentence if run.state_reason else "no reason given"
        return f"{run.state.replace('_', ' ')}: {reason.splitlines()[0]}"  # a line a run; the whole stands at the end
    metrics = run.metrics or {}
    return f"{rate_text(metrics.get('throughput_ops_s'))}, p99 {ns_text(metrics.get('p99_ns'))}"
