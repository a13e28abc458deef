"""Load tests: kept when Locust ends, listed, looked at, compared like runs."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import (
    ID,
    PREFIX,
    Body,
    PageQuery,
    idempotency_key,
    problems,
    read_cursor,
    the_service,
    write_cursor,
)
from server.auth.access import needs
from server.compare.models import Comparison
from server.load import LoadComparison, LoadTest, LoadTestCreate, LoadTestResult
from server.load_compare import compare_load_tests
from server.schemas import Model


class LoadTestBody(Body, LoadTestCreate):
    """What Locust reports when a load test has ended."""


class LoadComparisonBody(Body, LoadComparison):
    """Which load tests to compare, over which kind of request."""


class LoadTestPage(Model):
    """Load tests, newest first."""

    items: list[LoadTest]
    next_cursor: str | None


def load_tests() -> APIBlueprint:
    """The blueprint of /load-tests."""
    bp = APIBlueprint("load_tests", __name__, url_prefix=f"{PREFIX}/load-tests", tag="load tests")

    @bp.post("")
    @bp.input(LoadTestBody, arg_name="body")
    @bp.output(LoadTestResult, status_code=201, description="The load test; Location is its address.")
    @bp.doc(summary="Keep a load test", responses=problems(404))
    def create_load_test(body: LoadTestBody) -> tuple[LoadTestResult, int, dict[str, str]]:
        asked = LoadTestCreate.model_validate(body.model_dump())
        kept = the_service().store.add_load_test(asked, idempotency_key=idempotency_key())
        return kept, 201, {"Location": f"{PREFIX}/load-tests/{kept.id}"}

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(LoadTestPage, description="A page of load tests.")
    @bp.doc(summary="List load tests, newest first")
    def list_load_tests(query: PageQuery) -> LoadTestPage:
        found, before = the_service().store.list_load_tests(limit=query.limit, before=read_cursor(query.cursor))
        return LoadTestPage(items=found, next_cursor=write_cursor(before))

    @bp.get("/" + ID.format("load_test_id"))
    @bp.output(LoadTestResult, description="The load test with its figures.")
    @bp.doc(summary="Look at a load test", responses=problems(404))
    def get_load_test(load_test_id: int) -> LoadTestResult:
        return the_service().store.get_load_test(load_test_id)

    @bp.post("/compare")
    @bp.input(LoadComparisonBody, arg_name="body")
    @bp.output(Comparison, description="The verdicts; each load test counts as one run.")
    @bp.doc(summary="Compare two sets of load tests over one kind of request", responses=problems(404))
    @needs("read")
    def compare(body: LoadComparisonBody) -> Comparison:
        return compare_load_tests(the_service().store, LoadComparison.model_validate(body.model_dump()))

    return bp
