"""Hostile requests to the real server: each is refused with the status that tells why, and the server goes on."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote

import pytest

from tests.hostile.conftest import Server

RUNS = "/api/v1/runs"
SPEC = b'{"protocol": "swap_cache"}'
SQL = ["1' OR '1'='1", "1; DROP TABLE runs", "1 UNION SELECT hash FROM tokens", "%27", "-1", "1e3", "0x1", "1%00"]
TRAVERSAL = [
    "/static/../config.py",
    "/static/..%2f..%2fconfig.py",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static//etc/passwd",
    "/static/....//....//etc/passwd",
    "/api/v1/protocols/..%2f..%2f..%2fetc%2fpasswd",
    "/api/v1/protocols/%00",
    "/../../../../etc/passwd",
]


def request(method: str, path: str, body: bytes = b"", /, **headers: str) -> bytes:
    """The bytes of a request that asks for the connection to be closed."""
    given = {"Host": "127.0.0.1", "Connection": "close", **{name.replace("_", "-"): v for name, v in headers.items()}}
    if body and "Transfer-Encoding" not in given:
        given.setdefault("Content-Length", str(len(body)))
        given.setdefault("Content-Type", "application/json")
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def status_of(answer: bytes) -> int:
    """The last status of an answer: an interim one may come before it."""
    statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return statuses[-1] if statuses else 0


@pytest.fixture(autouse=True)
def alive_after(server: Server) -> None:
    """Every test leaves a server that answers."""
    assert server.is_well()


@pytest.mark.parametrize("probe", SQL)
def test_sql_in_an_address(server: Server, probe: str) -> None:
    quoted = quote(probe, safe="%")
    for path in (f"{RUNS}/{quoted}", f"{RUNS}/{quoted}/samples", f"/api/v1/studies/{quoted}"):
        assert status_of(server.send(request("GET", path))) == 404
    for query in (f"state={quoted}", f"cursor={quoted}", f"limit={quoted}x", f"study={quoted}x"):
        assert status_of(server.send(request("GET", f"{RUNS}?{query}"))) in (400, 422)
    assert status_of(server.send(request("GET", f"{RUNS}?protocol={quoted}"))) in (200, 422)
    assert status_of(server.send(request("POST", RUNS, json.dumps({"protocol": probe}).encode()))) == 422


@pytest.mark.parametrize("path", TRAVERSAL)
def test_a_way_out_of_the_folder(server: Server, path: str) -> None:
    answer = server.send(request("GET", path))
    assert status_of(answer) in (400, 404)
    assert b"root:" not in answer
    assert b"import " not in answer


@pytest.mark.parametrize("trace", ["/etc/passwd", "../../../../etc/passwd", "..", "a/b", "~root", "\\\\host\\share"])
def test_a_file_of_the_host_as_a_trace(server: Server, trace: str) -> None:
    body = json.dumps({"protocol": "swap_cache", "scenario": "trace", "trace": trace}).encode()
    answer = server.send(request("POST", RUNS, body))
    assert status_of(answer) == 422
    assert b"#/trace" in answer


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.", "127.0.0.2", "0.0.0.0", "[::2]", "", "a b", "@127.0.0.1"],
)
def test_another_name_of_this_host(server: Server, host: str) -> None:
    assert status_of(server.send(request("GET", RUNS, Host=host))) in (400, 421)
    assert status_of(server.send(request("POST", RUNS, SPEC, Host=host))) in (400, 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1@evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_site(server: Server, headers: dict[str, str]) -> None:
    answer = server.send(request("POST", RUNS, SPEC, **headers))
    assert status_of(answer) == 403
    looked = server.send(request("GET", RUNS, b"", **headers))
    assert b"access-control-allow" not in looked.lower()
    preflight = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    assert b"access-control-allow" not in server.send(request("OPTIONS", RUNS, b"", **headers, **preflight)).lower()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_a_form_of_another_site(server: Server, kind: str) -> None:
    assert status_of(server.send(request("POST", RUNS, SPEC, Content_Type=kind))) == 415


@pytest.mark.parametrize("name", ["PATH_INFO", "SCRIPT_NAME", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded"])
def test_a_header_that_a_proxy_would_send(server: Server, name: str) -> None:
    sent = request("POST", RUNS, b"{}").replace(b"Host:", f"{name}: /api/v1/audit\r\nHost:".encode(), 1)
    assert status_of(server.send(sent)) in (400, 422)
    assert b'"remote":"127.0.0.1"' in server.send(request("GET", "/api/v1/audit?limit=1")).replace(b" ", b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("POST", RUNS, b'"' + b"a" * 999_999 + b'"'), 413),
        (request("POST", RUNS, Content_Length="9" * 18, Content_Type="application/json"), 413),
        (request("GET", "/" + "a" * 20_000), 414),
        (request("GET", "/" + "a" * 200_000), 431),
        (request("GET", RUNS, X_Big="a" * 100_000), 431),
        (request("GET", RUNS, b"", **{f"X{number}": "a" for number in range(500)}), 431),
        (request("POST", RUNS, b"[" * 500_000), 400),
        (request("POST", RUNS, b'{"protocol": "swap_cache", "cpus": ' + b"9" * 100_000 + b"}"), 400),
        (request("POST", RUNS, b'{"protocol": "swap_cache", "seed": 1e999999}'), 422),
        (request("POST", RUNS, b'{"protocol": "swap_cache", "cpus": 65}'), 422),
        (request("POST", RUNS, b'{"protocol": "swap_cache", "slots": 268435456, "payload_bytes": 4096}'), 422),
        (request("POST", RUNS, SPEC, Idempotency_Key="a" * 256), 422),
    ],
)
def test_too_much(server: Server, data: bytes, status: int) -> None:
    assert status_of(server.send(data)) == status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n\r\n\r\n", 400),
        (request("POST", RUNS, b"5\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked"), 411),
        (request("POST", RUNS, SPEC, Transfer_Encoding="chunked", Content_Length="1"), 411),
        (request("POST", RUNS, SPEC, Content_Length="-1"), 400),
        (request("POST", RUNS, SPEC, Content_Length="+26"), 400),
        (request("POST", RUNS, SPEC, Content_Length="1_0"), 400),
        (request("POST", RUNS, SPEC).replace(b"Content-Length: 26", b"Content-Length: 26\r\nContent-Length: 2"), 400),
        (b"FROB /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
        (b"TRACE /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_what_is_no_http(server: Server, data: bytes, status: int) -> None:
    assert status_of(server.send(data)) == status


def test_a_smuggled_second_request_is_a_request_of_its_own(server: Server) -> None:
    inner = request("POST", RUNS, SPEC, Host="evil.example")
    outer = request("POST", RUNS, inner, Connection="keep-alive")
    assert server.send(outer + request("GET", "/version")).count(b"HTTP/1.1 ") == 2
    with_rest = request("GET", "/version", Connection="keep-alive") + inner
    answer = server.send(with_rest)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert answer.count(b"HTTP/1.1 421") == 1


def test_nothing_of_it_made_a_run_or_a_traceback(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", RUNS)
    assert json.load(connection.getresponse())["items"] == []
    connection.close()
    assert [line for line in server.log_lines() if "exception" in line or line["level"] in ("error", "critical")] == []


def test_the_log_holds_no_secret(server: Server) -> None:
    secret = "swaprace_" + "s" * 43
    assert status_of(server.send(request("GET", RUNS, Authorization=f"Bearer {secret}"))) == 401
    assert status_of(server.send(request("GET", f"{RUNS}?cursor={secret}"))) == 422
    assert secret not in server.log.read_text()
