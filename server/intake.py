"""How requests come in: a thread is given a request once the whole of it is here, and no sooner.

gunicorn's gthread hands a connection to a thread at its first byte, and the thread waits for the rest: thirty-two
clients that send a byte a second hold thirty-two threads. Here the one loop that waits for all connections also takes
their bytes in. A client has `request_seconds` for its whole request; with very many unfinished ones, the oldest makes
room. A connection that ends is read empty in the same loop, where gunicorn would stop it for two seconds each.

What a thread still waits for is a client that reads its answer slowly: each write has SEND_SECONDS.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from server.config import Settings

MAX_HEAD_BYTES = 64 * 1024  # request line and headers; gunicorn's parser has its own, finer limits below it
MAX_CONNECTIONS = 8_000  # half of them may be unfinished; beyond, and where descriptors are few, the oldest is closed
OTHER_DESCRIPTORS = 256  # kept free for the database, supervisors and their logs
MAX_HELD_BYTES = 256 << 20  # of unfinished requests together
READ_BYTES = 64 * 1024
LINGER_SECONDS = 2.0  # for a client to take its last answer and close
SEND_SECONDS = 20
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding[ \t]*:", re.IGNORECASE | re.MULTILINE)
EXPECTS = re.compile(rb"^expect[ \t]*:[ \t]*100-continue", re.IGNORECASE | re.MULTILINE)
DIGITS = re.compile(rb"[0-9]{1,18}")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger("swaprace.http")


class Refused(Exception):
    """A request that no thread shall see: the status and a sentence for whoever sent it."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


@dataclass
class Unfinished:
    """A request on its way in."""

    deadline: float
    data: bytearray = field(default_factory=bytearray)
    told_to_continue: bool = False

    def take(self, max_body_bytes: int) -> bytes | None:
        """The first request, once the whole of it is here; what follows stays for the next. Raises Refused."""
        while self.data[:2] == b"\r\n":  # RFC 9112 section 2.2: empty lines before a request are no request
            del self.data[:2]
        end = self.data.find(HEAD_END)
        if end < 0 and len(self.data) > MAX_HEAD_BYTES:
            raise Refused(431, "request_header_fields_too_large", "The headers of the request are too large.")
        if end < 0:
            return None
        size = end + len(HEAD_END) + self.body_bytes(bytes(self.data[: end + 2]), max_body_bytes)
        if len(self.data) < size:
            return None
        request = bytes(self.data[:size])
        del self.data[:size]
        self.told_to_continue = False
        return request

    @staticmethod
    def body_bytes(head: bytes, max_body_bytes: int) -> int:
        """Length of the body that a head announces. Raises Refused."""
        if CHUNKED.search(head):
            raise Refused(411, "length_required", "Send the body with a Content-Length, not in chunks.")
        lengths = set(LENGTH.findall(head))
        if not lengths:
            return 0
        if len(lengths) > 1 or not DIGITS.fullmatch(next(iter(lengths))):
            raise Refused(400, "bad_request", "Content-Length is not one whole number.")
        length = int(lengths.pop())
        if length > max_body_bytes:
            raise Refused(413, "request_entity_too_large", "The body is larger than this server takes.")
        return length

    def wants_continue(self) -> bool:
        """True once where the client waits to be told that its body is wanted."""
        end = self.data.find(HEAD_END)
        if end < 0 or self.told_to_continue or not EXPECTS.search(bytes(self.data[: end + 2])):
            return False
        self.told_to_continue = True
        return True


def problem_bytes(refused: Refused) -> bytes:
    """The whole answer to a refused request, a problem document like any other."""
    title = HTTPStatus(refused.status).phrase
    document = {"type": "about:blank", "title": title, "status": refused.status, "code": refused.code}
    body = json.dumps({**document, "detail": str(refused), "instance": "/", "errors": []}).encode()
    head = f"HTTP/1.1 {refused.status} {title}\r\nContent-Type: application/problem+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def make_descriptors(connections: int = MAX_CONNECTIONS) -> int:
    """Allow this process as many open files as connections need; how many connections it may then have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(allowed - OTHER_DESCRIPTORS, 64)


class IntakeWorker(ThreadWorker):
    """gunicorn's worker of threads, which sees whole requests only. One loop, one thread: nothing here is locked.

    `settings` is set by server.serve, which makes a class for its own.
    """

    settings: Settings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished: dict[TConn, Unfinished] = {}  # in order of their deadlines
        self._closing: dict[TConn, float] = {}  # until when each may still be read empty
        self._whole: dict[TConn, bytes] = {}  # handed to a thread, which takes it out
        self._held_bytes = 0

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in; of too many the oldest makes room."""
        self._make_room()
        try:
            client, address = listener.accept()
        except OSError:  # gone already
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_SECONDS, 0))
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        self._await(conn, self._fresh())

    def _make_room(self) -> None:
        limit = self.worker_connections
        while self._unfinished and (len(self._unfinished) >= limit // 2 or self._held_bytes > MAX_HELD_BYTES):
            self._drop(next(iter(self._unfinished)))
        while self.keepalived_conns and self.nr_conns >= limit - 1:
            idle = self.keepalived_conns.popleft()
            self.poller.unregister(idle.sock)
            self._forget(idle)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """A connection that was kept has its next request coming."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await(conn, self._fresh())

    def _fresh(self, rest: bytearray | None = None) -> Unfinished:
        return Unfinished(time.monotonic() + self.settings.request_seconds, rest or bytearray())

    def _await(self, conn: TConn, unfinished: Unfinished) -> None:
        conn.sock.setblocking(False)
        self._unfinished[conn] = unfinished
        self._held_bytes += len(unfinished.data)
        self._listen(conn, self._on_bytes)

    def _listen(self, conn: TConn, callback: Callable[[TConn, Any], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))

    def _on_bytes(self, conn: TConn, _client: socket.socket) -> None:
        try:
            read = conn.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            read = b""
        unfinished = self._unfinished.get(conn)
        if unfinished is None:
            return
        if not read:
            self._drop(conn)
            return
        unfinished.data += read
        self._held_bytes += len(read)
        self._go_on(conn, unfinished)

    def _go_on(self, conn: TConn, unfinished: Unfinished) -> None:
        """Hand a request that is whole to a thread, refuse one that is none, else wait for more."""
        try:
            before = len(unfinished.data)
            request = unfinished.take(self.settings.max_body_bytes)
            self._held_bytes -= before - len(unfinished.data)
            if request is None and unfinished.wants_continue():
                conn.sock.send(CONTINUE)
        except Refused as refused:
            self._refuse(conn, refused)
            return
        except OSError:
            self._drop(conn)
            return
        if request is not None:
            self._take_out(conn)
            self._whole[conn] = request
            conn.rest = unfinished.data
            self.enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Answer one request, in a thread."""
        conn.init()
        conn.parser.unreader.unread(self._whole.pop(conn))
        return super().handle(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep an answered connection for its next request, part of which may be here, or see it closed."""
        try:
            keep = bool(fs.result()) if not fs.cancelled() else False
        except Exception:
            log.exception("a request ended without an answer")
            keep = False
        if not keep:
            self._linger(conn)
            return
        if not (conn.rest and self.alive):
            super().finish_request(conn, fs)
            return
        unfinished = self._fresh(conn.rest)
        self._await(conn, unfinished)
        self._go_on(conn, unfinished)

    def murder_pending(self) -> None:
        """Called every second: answer 408 to what came too slowly, and close what has lingered long enough."""
        now = time.monotonic()
        while self._unfinished:
            conn, unfinished = next(iter(self._unfinished.items()))
            if unfinished.deadline > now and self.alive:
                break
            if unfinished.data:
                self._refuse(conn, Refused(408, "request_timeout", "The request did not come in time."))
            else:
                self._drop(conn)
        for conn in [conn for conn, until in self._closing.items() if until <= now or not self.alive]:
            self._close(conn)

    def _refuse(self, conn: TConn, refused: Refused) -> None:
        log.warning("refused", extra={"status": refused.status, "code": refused.code, "remote": conn.client[0]})
        self._take_out(conn)
        try:
            conn.sock.send(problem_bytes(refused))
        except OSError:
            log.debug("the client of a refused request is gone")
        self._linger(conn)

    def _linger(self, conn: TConn) -> None:
        """Say that nothing more comes, and read until the client closes too: else it may lose the answer to a reset."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self._closing[conn] = time.monotonic() + LINGER_SECONDS
            self._listen(conn, self._on_rest)
        except (OSError, ValueError):
            self._closing.pop(conn, None)
            self._forget(conn)

    def _on_rest(self, conn: TConn, _client: socket.socket) -> None:
        try:
            if conn.sock.recv(READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            log.debug("reset by the client")
        if conn in self._closing:
            self._close(conn)

    def _close(self, conn: TConn) -> None:
        del self._closing[conn]
        self.poller.unregister(conn.sock)
        self._forget(conn)

    def _drop(self, conn: TConn) -> None:
        self._take_out(conn)
        self._forget(conn)

    def _take_out(self, conn: TConn) -> None:
        self._held_bytes -= len(self._unfinished.pop(conn).data)
        self.poller.unregister(conn.sock)

    def _forget(self, conn: TConn) -> None:
        self.nr_conns -= 1
        util.close(conn.sock)
