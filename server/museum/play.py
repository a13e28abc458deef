"""A visit to one exhibit: `python -m workers.explorer.museum` in a child of its own, so that a crash ends it alone."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from pydantic import ValidationError

from server.exploring.child import READ_BYTES, ExplorerError, start_tied, tail_of
from server.processes import ProcessId, identify, kill_session
from workers.exploration import ExhibitTold, MuseumSpec

PLAYER = "workers.explorer.museum"
LOOK_SECONDS = 0.2


class Interrupted(Exception):
    """The visit was ended from outside."""


def play(number: int, spec: MuseumSpec, *, is_stopping: Callable[[], bool] = lambda: False) -> ExhibitTold:
    """What a round says of the exhibit of that number. Raises ExplorerError where it says nothing, Interrupted."""
    log = os.memfd_create("museum-log")
    try:
        said = _said(number, spec, log, is_stopping)
        return ExhibitTold.model_validate_json(said)
    except ValidationError as error:
        raise ExplorerError(f"exhibit {number} cannot be played: {tail_of(log) or 'nothing was said'}") from error
    finally:
        os.close(log)


def _said(number: int, spec: MuseumSpec, log: int, is_stopping: Callable[[], bool]) -> bytes:
    process = start_tied(PLAYER, log=log)
    identity = identify(process.pid) or ProcessId(process.pid, 0)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(spec.model_copy(update={"numbers": [number]}).model_dump_json().encode() + b"\n")
        return _read(process.stdout.fileno(), is_stopping)
    except BrokenPipeError:
        return b""
    finally:
        kill_session(identity)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _read(fileno: int, is_stopping: Callable[[], bool]) -> bytes:
    """All that is said until the end of it."""
    said = b""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    while True:
        if is_stopping():
            raise Interrupted
        if not poll.poll(LOOK_SECONDS * 1000):
            continue
        data = os.read(fileno, READ_BYTES)
        if not data:
            return said
        said += data
