"""A thousand clients that are slow on purpose, against the real server: nobody notices, and all are shut out."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hostile.conftest import REQUEST_SECONDS, Server

CLIENTS = 1_000
WHOLE_REQUESTS = 200  # each is answered, which takes its time: more would be a flood, and not slow
HEAD = b"POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
WHOLE = b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
DRIP_SECONDS = 0.1
LONGEST_SECONDS = 10.0  # that another client may wait, on a machine that is busy with the other tests too
# What a client sends at once, what it sends a byte of at a time afterwards, and what it hears in the end.
SLOWNESS = {
    "nothing": (b"", b"", b""),
    "half a header": (HEAD[:40], b"", b"408"),
    "a header byte by byte": (HEAD, b"X-Slow: " + b"a" * 10_000, b"408"),
    "half a body": (HEAD + b"Content-Length: 50\r\n\r\n{", b"", b"408"),
    "a body byte by byte": (HEAD + b"Content-Length: 5000\r\n\r\n", b" " * 5_000, b"408"),
    "a request, and stays": (WHOLE, b"", b"200"),
}


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """As many open files as there are clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, CLIENTS + 512)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def heard_from(clients: list[socket.socket], drip: bytes, server: Server) -> tuple[dict[socket.socket, bytes], float]:
    """What each client heard until the server closed it, and the longest time that another request took meanwhile."""
    heard = dict.fromkeys(clients, b"")
    open_ones = set(clients)
    longest, at = 0.0, 0
    end = time.monotonic() + REQUEST_SECONDS + 60
    with selectors.DefaultSelector() as selector:
        for each in clients:
            each.setblocking(False)
            selector.register(each, selectors.EVENT_READ)
        while open_ones:
            assert time.monotonic() < end, f"{len(open_ones)} slow clients are still connected"
            for key, _ in selector.select(DRIP_SECONDS):
                assert isinstance(key.fileobj, socket.socket)
                client = key.fileobj
                try:
                    read = client.recv(65536)
                except ConnectionError:
                    read = b""
                heard[client] += read
                if not read:
                    selector.unregister(client)
                    open_ones.discard(client)
            for dripping in open_ones if at < len(drip) else ():
                try:
                    dripping.send(drip[at : at + 1])
                except OSError:
                    continue  # shut out: its end is read above
            at += 1
            asked = time.monotonic()
            assert server.is_well(LONGEST_SECONDS)
            longest = max(longest, time.monotonic() - asked)
    return heard, longest


@pytest.mark.parametrize("kind", SLOWNESS)
def test_a_thousand_slow_clients(server: Server, kind: str) -> None:
    first, drip, status = SLOWNESS[kind]
    with ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS if status != b"200" else WHOLE_REQUESTS):
            client = stack.enter_context(server.connect())
            client.sendall(first)
            clients.append(client)
        heard, longest = heard_from(clients, drip, server)
    assert {answer.partition(b"\r\n")[0].split(b" ")[1] if answer else b"" for answer in heard.values()} == {status}
    print(f"{kind}: another client waited up to {longest:.2f} s")
    assert server.is_well(LONGEST_SECONDS)


def test_the_server_keeps_no_connection_open(server: Server) -> None:
    """Descriptors of the server go back to what they were, and no thread of it is held."""

    def descriptors_of_workers() -> int:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in children)

    before = descriptors_of_workers()
    clients = [server.connect() for _ in range(200)]
    for client in clients:
        client.sendall(HEAD)
    for client in clients:
        client.close()
    end = time.monotonic() + REQUEST_SECONDS + 60
    while descriptors_of_workers() > before + 5:
        assert time.monotonic() < end, "connections of clients that are gone are kept"
        assert server.is_well(LONGEST_SECONDS)
