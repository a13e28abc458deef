"""The helper process of one statement: `python -I sandbox.py`, a request on standard input, rows on standard output.

It imports nothing of ours. In: one line of JSON, {"database": path or words for psycopg, "views": [...], "sql",
"rows", "seconds", "bytes"}. Out, one JSON document a line: {"columns": [...]}, then rows as arrays, then {"rows",
"truncated"}; or at any point {"code", "error"}. Exit code 0 whenever it ended by itself.

SQLite: the file is opened read-only; a deny-by-default authorizer lets SELECT read the views, and what a view itself
reads only on its behalf; no other statement, function, table or pragma. PostgreSQL: a session that cannot write, in a
role that may read the views only; one statement, of allowed functions. Both: memory, CPU time and rows are limited.
"""

from __future__ import annotations

import json
import math
import re
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

MAX_TEXT_BYTES = 16_000_000  # the longest text or row that a statement may make
FILE_BYTES = 16 << 20  # SQLite's shared index of the log is a file; nothing larger is ever written
STEPS_BETWEEN_LOOKS = 10_000
READER = "swaprace_reader"
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_TEXT_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 64,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
ACTIONS = {
    value: name.removeprefix("SQLITE_").replace("_", " ")
    for name, value in vars(sqlite3).items()
    if re.fullmatch(r"SQLITE_((CREATE|DROP|ALTER)_\w+|DELETE|INSERT|UPDATE|PRAGMA|TRANSACTION|SAVEPOINT|ATTACH|DETACH|"
                    r"REINDEX|ANALYZE)", name)
}  # fmt: skip


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


COMMON_FUNCTIONS = words(
    "abs avg ceil ceiling coalesce concat concat_ws cos count cume_dist degrees dense_rank exp first_value floor "
    "greatest lag last_value lead least left length ln log log10 lower ltrim max min mod ntile nth_value nullif "
    "percent_rank pi pow power radians rank replace right round row_number rtrim sign sin sqrt substr substring sum "
    "tan trim trunc upper"
)
SQLITE_FUNCTIONS = COMMON_FUNCTIONS | words(
    "acos asin atan atan2 date datetime format glob group_concat hex iif ifnull instr json json_array "
    "json_array_length json_extract json_group_array json_group_object json_object json_quote json_type json_valid "
    "julianday like likelihood likely log2 printf quote strftime string_agg time timediff total typeof unicode char "
    "unixepoch unlikely -> ->>"
)
SQLITE_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})
POSTGRESQL_FUNCTIONS = COMMON_FUNCTIONS | words(
    "array_agg btrim corr covar_pop covar_samp date_part date_trunc div extract generate_series initcap json_agg "
    "json_array_length json_build_array json_build_object json_object_agg mode percentile_cont percentile_disc "
    "position regr_slope regr_intercept regr_r2 split_part starts_with stddev stddev_pop stddev_samp string_agg strpos "
    "to_json to_timestamp unnest var_pop var_samp variance width_bucket"
)
# What may stand before a parenthesis in PostgreSQL and is no function.
POSTGRESQL_WORDS = words(
    "all and any array as between by case cast decimal distinct else end except exists filter from full group grouping "
    "having ilike in inner intersect is join lateral left like limit materialized not numeric offset on or order over "
    "partition recursive right rollup cube row rows select sets similar some then union using values varchar char "
    "when where window with within"
)
TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)|(?P<comment>/\*)|(?P<string>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")"""
    r"""|(?P<number>\d[\w.]*)|(?P<name>[^\W\d][\w$]*)|(?P<other>.)""",
    re.DOTALL,
)


class RefusedError(Exception):
    """The statement asks for what is not given; the text says what, and what would be right."""


def limit_process(seconds: float, memory_bytes: int) -> None:
    """Let the kernel end this process when it uses more than it may."""
    cpu = math.ceil(seconds) + 1
    for what, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))


class Warden:
    """SQLite's authorizer: allows what the views give, remembers the first thing that it refuses."""

    def __init__(self, connection: sqlite3.Connection, views: list[str]) -> None:
        self.refused: str | None = None
        self._views = frozenset(views)
        named = "SELECT name FROM sqlite_master UNION ALL SELECT name FROM pragma_module_list"
        self._stored = {str(row[0]) for row in connection.execute(named)}
        self._read_by = self._learn(connection)
        connection.set_authorizer(self.judge)

    def _learn(self, connection: sqlite3.Connection) -> dict[str, set[tuple[str, str]]]:
        """View -> the columns that it reads of tables: a table expression may take a view's name, but no more."""
        seen: dict[str, set[tuple[str, str]]] = {view: set() for view in self._views}

        def note(action: int, first: str | None, second: str | None, _: str | None, view: str | None) -> int:
            if action == sqlite3.SQLITE_READ and view in seen:
                seen[view].add((first or "", second or ""))
            return sqlite3.SQLITE_OK

        connection.set_authorizer(note)
        for view in sorted(self._views):
            connection.execute(f'EXPLAIN SELECT * FROM "{view}"').fetchall()
        for columns in seen.values():
            columns |= {(table, "") for table, _ in columns}  # a count reads no column
        return seen

    def judge(self, action: int, first: str | None, second: str | None, _: str | None, view: str | None) -> int:
        """SQLITE_OK or SQLITE_DENY: https://sqlite.org/c3ref/set_authorizer.html."""
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            return self._judge_read(first or "", second or "", view)
        if action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in SQLITE_FUNCTIONS:
                return sqlite3.SQLITE_OK
            return self._refuse(f"the function {second}() is not among those that a query may call")
        what = ACTIONS.get(action, "this") + (f" ({first})" if first else "")
        if first in ("sqlite_master", "sqlite_temp_master"):
            what = "what reads or changes the schema"
        return self._refuse(f"{what} is not a question to the views: write SELECT, or WITH and SELECT")

    def _judge_read(self, table: str, column: str, view: str | None) -> int:
        if table in self._views or table in SQLITE_TABLE_FUNCTIONS:
            return sqlite3.SQLITE_OK
        if column == "" and table not in self._stored:
            return sqlite3.SQLITE_OK  # the rows of a common table expression are counted
        if view is not None and (table, column) in self._read_by.get(view, ()):
            return sqlite3.SQLITE_OK
        return self._refuse(f"{table} is not a view that may be read; ask {', '.join(sorted(self._views))}")

    def _refuse(self, why: str) -> int:
        self.refused = self.refused or why
        return sqlite3.SQLITE_DENY


def ask_sqlite(request: dict[str, Any]) -> Iterator[list[Any]]:
    """Names of the columns, then the rows. Raises RefusedError, TimeoutError, sqlite3.Error."""
    connection = sqlite3.connect(request["database"], uri=True, isolation_level=None)
    for pragma in ("query_only=ON", "temp_store=MEMORY", "cell_size_check=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}")
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    warden = Warden(connection, request["views"])
    late: list[bool] = []

    def look() -> int:
        if time.process_time() > request["seconds"]:
            late.append(True)
        return len(late)

    connection.set_progress_handler(look, STEPS_BETWEEN_LOOKS)
    try:
        cursor = connection.execute(request["sql"])
        if cursor.description is None:
            raise RefusedError("there is no statement: write SELECT, or WITH and SELECT")
        yield [column[0] for column in cursor.description]
        for row in cursor:
            yield list(row)
    except sqlite3.Error as error:
        if warden.refused is not None:
            raise RefusedError(warden.refused) from error
        if late:
            raise TimeoutError from error
        raise


def significant_tokens(sql: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of each token of PostgreSQL's SQL that is neither space nor comment. Raises RefusedError."""
    at = 0
    while at < len(sql):
        match = TOKEN.match(sql, at)
        assert match is not None, "the last alternative takes any character"
        kind, text = str(match.lastgroup), match.group()
        at = match.end()
        if kind == "comment":
            raise RefusedError("write comments as -- to the end of the line, not as /* */")
        if kind == "other" and text in "$\\'\"":
            raise RefusedError(f"{text} is not closed or not taken: write texts as 'text' and names as \"name\"")
        if kind == "name" and text.lower() in ("e", "u", "b", "x", "n") and sql[at : at + 1] in ("'", "&"):
            raise RefusedError(f"texts with the prefix {text} are not taken: write 'text'")
        if kind != "space":
            yield kind, text


def check_postgresql(sql: str) -> None:
    """Refuse what a role cannot: functions with effects or with a view of the server, and its catalogues."""
    tokens = list(significant_tokens(sql))
    while tokens and tokens[-1][1] == ";":
        tokens.pop()
    names = [text.strip('"').lower() if kind in ("name", "quoted") else "" for kind, text in tokens]
    first = names[0] or tokens[0][1] if tokens else "nothing"
    if first not in ("select", "with", "values", "("):
        raise RefusedError(f"{first} is not a question: write SELECT, or WITH and SELECT")
    for at, (_kind, text) in enumerate(tokens):
        if text == ";":
            raise RefusedError("write one statement only")
        if names[at].startswith("pg_") or names[at] == "information_schema":
            raise RefusedError(f"{text} belongs to the server, not to the views")
        if text == "(" and at and names[at - 1]:
            known = POSTGRESQL_FUNCTIONS | (POSTGRESQL_WORDS if tokens[at - 1][0] == "name" else frozenset())
            names_columns = at > 1 and names[at - 2] in ("as", "with", "recursive")
            if names[at - 1] not in known and not names_columns:
                raise RefusedError(f"the function {names[at - 1]}() is not among those that a query may call")


def ask_postgresql(request: dict[str, Any]) -> Iterator[list[Any]]:
    """Names of the columns, then the rows. Raises RefusedError, TimeoutError, psycopg.Error."""
    import psycopg
    from psycopg import errors, sql

    check_postgresql(request["sql"])
    milliseconds = round(1000 * request["seconds"])
    settings = {"default_transaction_read_only": "on", "statement_timeout": milliseconds, "timezone": "UTC"}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = {**request["database"], "options": options, "application_name": "swaprace query"}
    with psycopg.connect(**given) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(READER)))
        except psycopg.Error as error:
            raise RefusedError(
                f"the database has no role {READER} that this user may take; as an administrator: CREATE ROLE {READER} "
                f"NOLOGIN; GRANT {READER} TO its user; GRANT USAGE ON SCHEMA public TO {READER}; "
                f"GRANT SELECT ON {', '.join(request['views'])} TO {READER}"
            ) from error
        try:
            yield columns_of(connection, request["sql"])
            # Streaming takes the extended protocol, in which a second statement is an error.
            for row in cursor.stream(request["sql"].encode()):
                yield list(row)
        except errors.QueryCanceled as error:
            raise TimeoutError from error
        except errors.InsufficientPrivilege as error:
            raise RefusedError(f"{str(error).splitlines()[0]}; ask {', '.join(request['views'])}") from error


def columns_of(connection: Any, statement: str) -> list[str]:
    """Names of the columns of a statement that is parsed and not run. Raises psycopg.Error."""
    from psycopg import errors, pq

    server = connection.pgconn
    for result in (server.prepare(b"asked", statement.encode()), server.describe_prepared(b"asked")):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result, encoding="utf-8")
    return [(result.fname(at) or b"").decode() for at in range(result.nfields)]


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes as hex, what is no number as text."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value if isinstance(value, list | dict) else str(value)


def answer(rows: Iterable[list[Any]], most: int, write: Callable[[Any], None]) -> None:
    """Write the columns and up to `most` rows, and then how many they were."""
    number = -1
    for number, row in enumerate(rows):
        if number > most:
            write({"rows": most, "truncated": True})
            return
        write({"columns": row} if number == 0 else [plain(value) for value in row])
    write({"rows": max(0, number), "truncated": False})


def main() -> None:
    """Answer the request of standard input."""
    request = json.loads(sys.stdin.readline())
    limit_process(request["seconds"], request["bytes"])

    def write(line: Any) -> None:
        sys.stdout.write(json.dumps(line, separators=(",", ":"), default=str) + "\n")

    ask = ask_sqlite if isinstance(request["database"], str) else ask_postgresql
    try:
        answer(ask(request), request["rows"], write)
    except RefusedError as error:
        write({"code": "refused", "error": str(error)})
    except TimeoutError:
        write({"code": "too_slow", "error": f"it takes longer than {request['seconds']:g} s: narrow it with WHERE"})
    except MemoryError:
        write({"code": "too_large", "error": "it needs more memory than a query is given: narrow it with WHERE"})
    except Exception as error:  # of the driver: a mistake in the statement, told in the database's words
        write({"code": "wrong", "error": str(error).strip().splitlines()[0] if str(error) else repr(error)})


if __name__ == "__main__":
    main()
