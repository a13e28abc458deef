"""Batches of operations for a CPU that somebody outside drives (`driver=external`): names, limits, and how they travel.

Plain Python, below everything: the service, Locust's users and the supervisor agree on what stands here.

A live run listens on an abstract Unix socket (SOCK_SEQPACKET) that carries the name of its segment; the kernel tells
who calls, and only the user of the supervisor is answered. A request is one message of JSON:

    {"do": "status"}                                     CPUs, who drives them, latencies so far
    {"do": "claim", "cpu": n | null, "lease_ms": t}      a CPU by lease: the answer has its token
    {"do": "claim", "cpu": n | null, "attach": true}     a CPU by attachment: the connection is the claim
    {"do": "operate", "claim": token, "budget_ns": t}    and behind a line feed the steps: STEP, one an operation
    {"do": "release", "claim": token}                    the CPU is free again
    {"do": "finish"}                                     the run ends now as if its seconds were over

The answer is one message of JSON with `ok`; in that of `operate` a line feed and RESULTs follow. What is refused has
`code` and `detail`.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MAX_OPERATIONS = 1_000  # of one batch: 32,000 bytes, well below what one message of a Unix socket takes
MAX_RANGE_PAGES = 4_096  # of one pageout or dontneed: some milliseconds
MAX_RECLAIM_PAGES = 4_096
MAX_LEASE_MS = 60_000
MAX_BUDGET_MS = 10_000  # of one batch: what is not begun by then is left out
MAX_MESSAGE_BYTES = 65_536

STEP = struct.Struct("=4I12xI")  # operation, mm, first, end, room for what the core notes, memcg: script_step
MEMCG = 1  # the one with the run's limits, with all below it
RESULT = struct.Struct("=qQII")  # result, latency_ns, outcome, padding

# Names in the order of the numbers in workers/workloads/script.pxd; those that steer the run itself are not offered.
NUMBERS = {
    "load": 0,
    "store": 1,
    "pageout": 2,
    "dontneed": 3,
    "reclaim": 4,
    "mm_init": 5,
    "fork": 6,
    "exit": 7,
    "swapoff": 8,
    "swapon": 9,
}
OUTCOMES = ("hit", "swap_in", "zero_fill", "copy_on_write")  # of a load or a store


class Done(NamedTuple):
    """What one operation came to. `result`: 0 or more, or a negative errno; latency in ns; `outcome` as OUTCOMES."""

    result: int
    latency_ns: int
    outcome: int


def control_address(segment: str) -> str:
    """The abstract address of the run that owns `segment`: no file, so nothing of it outlives the supervisor."""
    return f"\0{segment.lstrip('/')}-control"


def packed(operations: Iterable[Mapping[str, Any]]) -> bytes:
    """Operations as steps. KeyError for a name that is none; numbers are checked where they are played."""
    return b"".join(_step(operation) for operation in operations)


def _step(operation: Mapping[str, Any]) -> bytes:
    name = operation["op"]
    number = NUMBERS[name]
    mm = operation.get("mm", 0)
    if "page" in operation:
        return STEP.pack(number, mm, operation["page"], operation["page"] + operation.get("pages", 1), MEMCG)
    if name == "fork":
        return STEP.pack(number, mm, operation["child"], 0, MEMCG)
    return STEP.pack(number, mm, operation.get("pages", 0), 0, MEMCG)


def unpacked(results: bytes) -> list[Done]:
    """The results of a batch, one for each operation that was played."""
    return [Done(result, latency_ns, outcome) for result, latency_ns, outcome, _ in RESULT.iter_unpack(results)]


def error_name(result: int) -> str | None:
    """ENOMEM for -12; None for what is no error."""
    return errno.errorcode.get(-result, str(-result)) if result < 0 else None


def message(content: Mapping[str, Any], rest: bytes = b"") -> bytes:
    """A request or an answer as it travels, with the steps or results that belong to it."""
    return json.dumps(content, separators=(",", ":")).encode() + b"\n" + rest


def opened(data: bytes) -> tuple[Any, bytes]:
    """A message taken apart. ValueError for what is none."""
    head, _, rest = data.partition(b"\n")
    return json.loads(head), rest


def refusal(code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The answer to what cannot be done."""
    return {"ok": False, "code": code, "detail": detail, **more}


def free_text(free: Sequence[int]) -> str:
    """Which CPUs can be claimed, as a person reads it."""
    return f"free: {', '.join(map(str, free))}" if free else "none is free"


class Refused(RuntimeError):
    """A live run did not do what was asked. `code` as in the answer, or not_running when nobody listens."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(str(answer["detail"]))
        self.code = str(answer["code"])
        self.answer = dict(answer)


def connected(segment: str, timeout_seconds: float) -> socket.socket:
    """A connection to the run that owns `segment`. Raises Refused (not_running) when nobody listens."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        line.settimeout(timeout_seconds)
        line.connect(control_address(segment))
    except OSError as error:
        line.close()
        raise Refused(refusal("not_running", f"nobody drives the run on this host ({error})")) from error
    return line


def asked(line: socket.socket, request: Mapping[str, Any], steps: bytes = b"") -> tuple[dict[str, Any], bytes]:
    """The answer to a request, and the results in it.

    Raises Refused for a refusal and (not_running) when the run hangs up; TimeoutError when no answer comes in time.
    """
    try:
        line.send(message(request, steps))
        data = line.recv(MAX_MESSAGE_BYTES)
    except TimeoutError:
        raise
    except OSError as error:
        raise Refused(refusal("not_running", f"the run has hung up ({error}): it is over")) from error
    if not data:
        raise Refused(refusal("not_running", "the run has hung up: it is over"))
    answer, results = opened(data)
    if not answer["ok"]:
        raise Refused(answer)
    return answer, results


def ask(segment: str, request: Mapping[str, Any], timeout_seconds: float = 5.0) -> dict[str, Any]:
    """One request and its answer. Raises Refused, TimeoutError."""
    with connected(segment, timeout_seconds) as line:
        return asked(line, request)[0]


def operate(
    segment: str, token: str, steps: bytes, budget_ns: int, timeout_seconds: float
) -> tuple[int, str, list[Done]]:
    """Have a leased CPU play a batch: the CPU, how it ended, and what came of each operation.

    Raises Refused, and TimeoutError when no answer has come in time: the batch may still be played then.
    """
    with connected(segment, timeout_seconds) as line:
        told, results = asked(line, {"do": "operate", "claim": token, "budget_ns": budget_ns}, steps)
    return int(told["cpu"]), str(told["end"]), unpacked(results)
