"""Logs: one JSON object a line with the request and the run that it belongs to, or text for people on a terminal.

Everything logs through the standard library, `logging.getLogger("swaprace.AREA")`, and says figures in `extra`; this
module only decides how a line looks, and keeps what a line belongs to. Nothing secret comes here: no header, no query,
no body, no token; a database is named without its password.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog
from gunicorn.glogging import Logger as GunicornLogger
from structlog.typing import Processor

from server.config import Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Have every log line of this process go to `stream` (standard error), as the settings say."""
    stream = stream or sys.stderr
    as_text = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(as_text=as_text, colours=as_text and stream.isatty()))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("swaprace").setLevel(logging.INFO)


def _formatter(*, as_text: bool, colours: bool) -> logging.Formatter:
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_text:
        last: list[Processor] = [meta, structlog.dev.ConsoleRenderer(colors=colours)]
    else:
        last = [meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=last)


@contextmanager
def belonging_to(**what: object) -> Iterator[None]:
    """Lines of this thread, within the block, carry `what`: run_id, attempt, request_id."""
    with structlog.contextvars.bound_contextvars(**what):
        yield


def begin_request(asked_id: str | None) -> str:
    """The id of a request that begins in this thread: the client's where it can be used, else a new one."""
    usable = asked_id is not None and REQUEST_ID.fullmatch(asked_id)
    request_id = asked_id if usable and asked_id else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


class ServerLogger(GunicornLogger):
    """gunicorn's own messages, in the same log; the requests are logged by server.guard, which knows their callers."""

    def setup(self, cfg: object) -> None:
        """Hand everything on to the root logger."""
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.propagate = False
        self.access_log.disabled = True
