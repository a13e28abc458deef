"""The OpenAPI document keeps its word: whatever a client sends, the answer is a documented one, and none is a 5xx.

SWAPRACE_SCHEMATHESIS_EXAMPLES sets how many requests an operation is sent of each kind, for a longer search.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = int(os.environ.get("SWAPRACE_SCHEMATHESIS_EXAMPLES", "5"))


def requests_to(operation: schemathesis.schemas.APIOperation, mode: GenerationMode) -> Callable[[], None]:
    """A search through requests that the document allows, or forbids, each answer checked against the document."""

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def search(case: schemathesis.Case) -> None:
        # Rules between fields, and what a cursor may be, stand in no schema: 422 is right for them.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    return search


def test_every_answer_is_documented(app: APIFlask, study: int) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    seen = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        requests_to(operation, GenerationMode.POSITIVE)()
        if operation.body or operation.query:
            requests_to(operation, GenerationMode.NEGATIVE)()
        seen += 1
    assert seen == len([None for methods in schema.raw_schema["paths"].values() for _ in methods])
