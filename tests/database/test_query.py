"""Queries of clients: what the views answer, and a list of attacks, each of which is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Settings
from server.processes import myself
from server.query import VIEWS, QueryBusyError, QueryError, QueryRunner
from server.query.examples import EXAMPLES
from server.store import Store
from tests.database.outcomes import made_outcome
from workers.spec import RunSpec

COUNTING = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"

# Statement, code, and a word of the sentence; both kinds of database.
ATTACKS = [
    ("SELECT * FROM tokens", "refused", "tokens"),
    ("SELECT * FROM audit", "refused", "audit"),
    ("SELECT evidence FROM attempts", "refused", "attempts"),
    ("SELECT (SELECT hash FROM tokens LIMIT 1) FROM v_runs", "refused", "tokens"),
    ("WITH v_runs AS (SELECT * FROM tokens) SELECT * FROM v_runs", "refused", "tokens"),
    ("WITH v_runs AS (SELECT evidence FROM attempts) SELECT * FROM v_runs", "refused", "attempts"),
    ("SELECT * FROM v_runs WHERE run_id IN (SELECT id FROM audit)", "refused", "audit"),
    ("SELECT '' UNION SELECT hash FROM tokens", "refused", "tokens"),
    ("SELECT * FROM alembic_version", "refused", "alembic_version"),
    ("SELECT * FROM main.tokens", None, ""),
    ("DELETE FROM runs", None, ""),
    ("DELETE FROM v_runs", None, ""),
    ("INSERT INTO tokens (name) VALUES ('x')", "refused", ""),
    ("UPDATE runs SET state = 'queued'", "refused", ""),
    ("WITH x AS (SELECT 1) UPDATE runs SET state = 'queued'", None, ""),
    ("DROP VIEW v_runs", "refused", ""),
    ("CREATE TABLE x (a INTEGER)", "refused", ""),
    ("CREATE TEMP TABLE x (a INTEGER)", "refused", ""),
    ("CREATE TABLE x AS SELECT * FROM v_runs", "refused", ""),
    ("ALTER TABLE runs ADD COLUMN x INTEGER", "refused", ""),
    ("BEGIN", "refused", ""),
    ("COMMIT", "refused", ""),
    ("SAVEPOINT x", "refused", ""),
    ("ANALYZE", "refused", ""),
    ("REINDEX", "refused", ""),
    ("SELECT 1; SELECT 2", None, "one statement"),
    ("SELECT 1; DROP TABLE runs", None, "one statement"),
    ("", "refused", ""),
    ("-- nothing", "refused", ""),
    (COUNTING, "too_slow", "longer than"),
    ("SELEC 1", None, "selec"),
    ("SELECT nope FROM v_runs", "wrong", "nope"),
    ("SELECT 'a\x00b'", None, ""),
]
SQLITE_ATTACKS = [
    ("ATTACH '/tmp/swaprace-attack.db' AS x", "ATTACH"),
    ("ATTACH 'file:results.db?mode=rwc' AS x", "ATTACH"),
    ("DETACH main", "DETACH"),
    ("VACUUM INTO '/tmp/swaprace-attack.db'", ""),
    ("PRAGMA query_only = OFF", "PRAGMA"),
    ("PRAGMA writable_schema = ON", "PRAGMA"),
    ("PRAGMA table_info(tokens)", "PRAGMA"),
    ("SELECT * FROM pragma_table_info('tokens')", ""),
    ("SELECT * FROM pragma_database_list", ""),
    ("SELECT sql FROM sqlite_master", "sqlite_master"),
    ("SELECT sql FROM sqlite_schema", "sqlite_master"),
    ("SELECT * FROM sqlite_sequence", "sqlite_sequence"),
    ("SELECT count(*) FROM tokens", "tokens"),
    ("SELECT rowid FROM tokens", "tokens"),
    ("SELECT load_extension('/tmp/x.so')", "load_extension"),
    ("SELECT readfile('/etc/passwd')", "readfile"),
    ("SELECT writefile('/tmp/x', 'y')", "writefile"),
    ("SELECT randomblob(1000000000)", "randomblob"),
    ("SELECT zeroblob(1000000000)", "zeroblob"),
    ("SELECT sqlite_compileoption_get(1)", "sqlite_compileoption_get"),
    ("CREATE TRIGGER x AFTER INSERT ON runs BEGIN SELECT 1; END", ""),
    ("CREATE VIRTUAL TABLE x USING fts5(a)", ""),
]
POSTGRESQL_ATTACKS = [
    ("SELECT set_config('role', 'none', false)", "set_config"),
    ("SELECT \"set_config\"('role', 'none', false)", "set_config"),
    ("SELECT set_config -- here\n ('role', 'none', false)", "set_config"),
    ("SELECT set_config /* here */ ('role', 'none', false)", "comments"),
    ('SELECT U&"set_confi\\0067"(1)', "prefix U"),
    ("SELECT query_to_xml('SELECT * FROM tokens', true, true, '')", "query_to_xml"),
    ("SELECT pg_sleep(100)", "pg_sleep"),
    ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
    ("SELECT pg_advisory_lock(1937203568)", "pg_advisory_lock"),
    ("SELECT pg_terminate_backend(1)", "pg_terminate_backend"),
    ("SELECT lo_import('/etc/passwd')", "lo_import"),
    ("SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS (a int)", "dblink"),
    ("SELECT current_setting('data_directory')", "current_setting"),
    ("SELECT repeat('x', 1000000000)", "repeat"),
    ("SELECT * FROM pg_roles", "pg_roles"),
    ("SELECT * FROM pg_catalog.pg_stat_activity", "pg_catalog"),
    ('SELECT * FROM "pg_shadow"', "pg_shadow"),
    ("SELECT * FROM information_schema.tables", "information_schema"),
    ("SELECT count(*) FROM tokens", "tokens"),
    ("TABLE tokens", "table"),
    ("COPY (SELECT 1) TO PROGRAM 'id'", "copy"),
    ("DO $$ BEGIN PERFORM 1; END $$", "$"),
    ("SELECT $x$ text $x$", "$"),
    ("SELECT E'\\' || set_config(''role'')'", "prefix E"),
    ("SET ROLE none", "set"),
    ("RESET ROLE", "reset"),
    ("SHOW data_directory", "show"),
    ("EXPLAIN ANALYZE SELECT 1", "explain"),
    ("SELECT * FROM v_runs FOR UPDATE", "v_runs"),
    ("SELECT 1 INTO x", "read-only"),
    ("WITH x AS (DELETE FROM runs RETURNING id) SELECT * FROM x", ""),
    ("LISTEN x", "listen"),
]


def runner_of(database: str, **limits: object) -> QueryRunner:
    return QueryRunner(Settings.model_validate({"database": database, "query_seconds": 0.3, **limits}))


@pytest.fixture
def runner(database: str) -> QueryRunner:
    """Answers about an empty database, with little patience."""
    return runner_of(database)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def one(request: pytest.FixtureRequest, empty_sqlite: Path) -> Iterator[tuple[str, QueryRunner]]:
    """A database for statements that change nothing, and a runner of it."""
    if request.param == "sqlite":
        yield "sqlite", runner_of(str(empty_sqlite))
        return
    with request.getfixturevalue("postgres").database("migrated") as url:
        yield "postgresql", runner_of(url)


def refused(runner: QueryRunner, sql: str) -> QueryError:
    with pytest.raises(QueryError) as error:
        runner.ask(sql, 10)
    return error.value


@pytest.mark.parametrize(("sql", "code", "word"), ATTACKS)
def test_an_attack_is_refused_and_named(one: tuple[str, QueryRunner], sql: str, code: str | None, word: str) -> None:
    error = refused(one[1], sql)
    assert error.code == code or (code is None and error.code in ("refused", "wrong")), error
    assert word.lower() in str(error).lower()


@pytest.mark.parametrize(("sql", "word"), SQLITE_ATTACKS)
def test_an_attack_on_sqlite_is_refused(empty_sqlite: Path, sql: str, word: str) -> None:
    error = refused(runner_of(str(empty_sqlite)), sql)
    assert error.code == "refused" or str(error) == f"no such function: {word}", error
    assert word in str(error)
    assert not Path("/tmp/swaprace-attack.db").exists()


@pytest.mark.parametrize(("sql", "word"), POSTGRESQL_ATTACKS)
def test_an_attack_on_postgresql_is_refused(one: tuple[str, QueryRunner], sql: str, word: str) -> None:
    if one[0] == "sqlite":
        return
    error = refused(one[1], sql)
    assert error.code in ("refused", "wrong"), error
    assert word in str(error)


def test_memory_is_limited(empty_sqlite: Path) -> None:
    """Rows that SQLite has to keep, to sort them, of 4 MB each."""
    runner = runner_of(str(empty_sqlite), query_memory_bytes=1 << 28, query_seconds=20)
    text = "printf('%.*c', 4000000, 'x')"
    greedy = (
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000) SELECT {text} || n AS t FROM c"
    )
    assert refused(runner, f"{greedy} ORDER BY t DESC").code == "too_large"


@pytest.mark.parametrize(
    ("sql", "columns", "rows"),
    [
        ("SELECT 1 AS a, 'x;--' AS b, NULL AS c;", ["a", "b", "c"], [[1, "x;--", None]]),
        ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4) SELECT sum(n) AS s FROM c",
         ["s"], [[10]]),
        ("WITH a AS (SELECT 2 AS x), b AS (SELECT x * x AS y FROM a) SELECT count(*) AS n, max(y) AS y FROM b",
         ["n", "y"], [[1, 4]]),
        ("SELECT run_id, p99_ns FROM v_runs", ["run_id", "p99_ns"], []),
        ("SELECT count(*) AS n FROM v_buckets b JOIN v_runs r ON r.run_id = b.run_id", ["n"], [[0]]),
        ("SELECT rank() OVER (ORDER BY a.x DESC) AS r FROM (VALUES (1)) AS a(x)" , None, [[1]]),
    ],
)  # fmt: skip
def test_a_question_is_answered(
    one: tuple[str, QueryRunner], sql: str, columns: list[str] | None, rows: list[list[object]]
) -> None:
    if columns is None and one[0] == "sqlite":
        sql, columns = "SELECT rank() OVER (ORDER BY column1 DESC) AS r FROM (VALUES (1))", ["r"]
    answer = one[1].ask(sql, 10)
    assert (answer.columns, answer.rows, answer.truncated) == (columns or ["r"], rows, False)


def test_rows_are_capped_and_it_is_told(runner: QueryRunner) -> None:
    count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20) SELECT n FROM c"
    short, whole = runner.ask(count, 7), runner.ask(count, 20)
    assert ([row[0] for row in short.rows], short.truncated) == (list(range(1, 8)), True)
    assert (len(whole.rows), whole.truncated) == (20, False)


def test_queries_at_once_are_limited(database: str) -> None:
    runner = runner_of(database, query_processes=1)
    with runner.stream("SELECT 1", 1) as (_columns, rows), pytest.raises(QueryBusyError, match="1 queries"):
        runner.ask("SELECT 2", next(rows)[0])
    assert runner.ask("SELECT 3 AS x", 1).rows == [[3]]


def test_figures_come_through(store: Store, database: str) -> None:
    store.create_run(RunSpec(protocol="swap_cache"))
    claim = store.claim(myself(), lease_seconds=15)
    assert claim is not None
    store.mark_running(claim.token)
    store.finish(claim.token, made_outcome())
    answer = runner_of(database, query_seconds=5).ask("SELECT p99_ns, swap_ins, host, violations FROM v_runs", 10)
    assert answer.rows == [[8000.0, 100_000, "lab", 0]]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_shipped_query_passes_the_guards(one: tuple[str, QueryRunner], example) -> None:
    assert one[1].ask(example.sql, 10).rows == []


def test_shipped_queries_are_those_of_the_page(checkout: Path) -> None:
    page = (checkout / "docs" / "database.md").read_text()
    for example in EXAMPLES:
        assert f"```sql\n{example.sql}\n```" in page
    assert page.count("```sql\n") == len(EXAMPLES)
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES)


def test_the_catalogue_knows_every_view_and_column(one: tuple[str, QueryRunner]) -> None:
    for name, view in VIEWS.items():
        assert one[1].ask(f"SELECT * FROM {name}", 1).columns == list(view.columns)
