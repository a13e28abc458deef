"""The results database of a command, and the runs that a command has measured in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from server.cli.exits import INTERRUPTED, CommandError
from server.cli.progress import Progress
from server.config import Settings, SettingsError, load_settings
from server.db import DatabaseError
from server.store import Store, open_store

if TYPE_CHECKING:
    from server.dispatcher import Dispatcher


def db_option(command: Any) -> Any:
    """--db: which results database."""
    text = (
        "Results database: a file, or postgresql://user@host/name. "
        "SWAPRACE_DATABASE, or a file below ~/.local/share, when not given."
    )
    return click.option("--db", metavar="DATABASE", default=None, help=text)(command)


def settings_for(db: str | None, **changes: object) -> Settings:
    """The settings of the environment, with --db and other options of the command line over them."""
    environ = dict(os.environ)
    if db is not None:
        environ["SWAPRACE_DATABASE"] = db if "://" in db else os.path.abspath(db)
    environ.update({f"SWAPRACE_{key.upper()}": str(value) for key, value in changes.items() if value is not None})
    try:
        return load_settings(environ)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The store of `settings`, closed at the end."""
    try:
        store = open_store(settings.database_url)
    except DatabaseError as error:
        raise CommandError(str(error)) from error
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _interrupting(dispatcher: Dispatcher) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end what `dispatcher` runs, where it can be ended; the signals that came are in the list."""
    came: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        dispatcher.interrupt()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def measure(
    store: Store,
    settings: Settings,
    *,
    finished: Callable[[], bool],
    cancel: Callable[[], object],
    progress: Progress,
    **chosen: Any,
) -> None:
    """Run what `chosen` (study_id or run_ids) names, in this process, until `finished`; Ctrl-C cancels all of it."""
    from server.dispatcher import Dispatcher
    from server.placer import PlacerError

    dispatcher = Dispatcher(store, settings, on_notice=progress.notice, **chosen)
    try:
        with _interrupting(dispatcher) as interrupts:
            with progress:
                dispatcher.run_until(finished)
            if interrupts:
                cancel()
                click.echo("interrupted: what was running or queued is cancelled", err=True)
                raise click.exceptions.Exit(INTERRUPTED)
    except PlacerError as error:
        raise CommandError(str(error)) from error
    finally:
        dispatcher.close()


def core_is_built() -> None:
    """Raise CommandError when the compiled core is missing: every run would fail with the same reason."""
    from server.cli.doctor_checks import missing_modules

    missing = missing_modules()
    if missing:
        raise CommandError(f"the compiled core is not built ({', '.join(missing[:3])} missing): run make setup")
