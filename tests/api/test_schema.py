"""The OpenAPI document keeps its word: whatever a client sends, the answer is a documented one, and none is a 5xx.

The suite sends a few requests of each kind; `make fuzz` sends SWAPRACE_FUZZ_EXAMPLES of them (10,000) to each kind of
database, alone and in sequences that follow the document's links from what was made to what can be done with it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from server import create_app
from server.api.common import EXTENSION
from server.config import Settings

FUZZ = int(os.environ.get("SWAPRACE_FUZZ_EXAMPLES", "0"))
A_FEW = 3  # of each kind, in the suite
FUZZ_ROUND = 25  # of each kind in each round of a search
SLOW_SECONDS = 0.3  # a request; what takes longer, such as one that starts a process, is asked in the first round only
SEQUENCES, STEPS = 4, 8
STATEFUL_SHARE = 5  # one request in so many is part of a sequence
# Rules between fields, and what a cursor, a filter or a statement may be, stand in no schema: 422 is right for them.
EXCLUDED: list[Any] = [positive_data_acceptance]
UNREADY = "/readyz"  # 503 is its right answer where no dispatcher runs, as here
DATABASES = ["sqlite", "postgresql"] if FUZZ else ["sqlite"]
pytestmark = [
    pytest.mark.parametrize("database", DATABASES, indirect=True),
    # schemathesis reads a WSGI answer and does not close it, so that the file of a download is closed by the collector
    pytest.mark.filterwarnings(
        "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture
def app(settings: Settings) -> Iterator[APIFlask]:
    """An application whose event streams last as long as a test can wait."""
    app = create_app(settings.model_copy(update={"stream_seconds": 0.1, "query_seconds": 0.5}))
    yield app
    app.extensions[EXTENSION].store.close()


@pytest.fixture
def filled(client: FlaskClient, study: int) -> None:
    """Something of every kind, so that not every address ends in 404."""
    comparison = client.post("/api/v1/comparisons", json={"study": study, "baseline": "old", "candidate": "new"})
    assert comparison.status_code == 201
    client.post("/api/v1/runs", json={"protocol": "swap_cache"})


class Sent:
    """How many requests were sent, and how they were answered."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()

    def check(self, case: schemathesis.Case, response: Response | None = None) -> None:
        """Send a case, unless there is its answer, and check the answer against the document."""
        response = response or case.call()
        self.statuses[f"{response.status_code // 100}xx"] += 1
        excluded = [*EXCLUDED, not_a_server_error] if case.operation.path == UNREADY else EXCLUDED
        case.validate_response(response, excluded_checks=excluded)

    @property
    def total(self) -> int:
        return self.statuses.total()


def how(examples: int, **more: Any) -> settings:
    """Settings of hypothesis: in the suite the same requests every time, in a search others every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not FUZZ,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def requests_to(
    operation: schemathesis.schemas.APIOperation, mode: GenerationMode, sent: Sent, examples: int
) -> Callable[[], None]:
    """A search through requests that the document allows, or forbids."""

    @how(examples)
    @given(case=operation.as_strategy(mode))
    def search(case: schemathesis.Case) -> None:
        sent.check(case)

    return search


@pytest.mark.usefixtures("filled")
@pytest.mark.timeout(14_400 if FUZZ else 300)
def test_every_answer_is_documented(app: APIFlask) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    sent = Sent()
    seen: set[str] = set()
    slow: set[str] = set()
    wanted = FUZZ - FUZZ // STATEFUL_SHARE
    began = time.monotonic()
    while not seen or sent.total < wanted:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            if operation.label in slow:
                continue
            before, at = sent.total, time.monotonic()
            requests_to(operation, GenerationMode.POSITIVE, sent, FUZZ_ROUND if FUZZ else A_FEW)()
            if operation.body or operation.query:
                requests_to(operation, GenerationMode.NEGATIVE, sent, FUZZ_ROUND if FUZZ else A_FEW)()
            seen.add(operation.label)
            if time.monotonic() - at > SLOW_SECONDS * (sent.total - before):
                slow.add(operation.label)
        print(f"{sent.total} requests in {time.monotonic() - began:.0f} s: {dict(sent.statuses)}", flush=True)
    assert len(seen) == len([None for methods in schema.raw_schema["paths"].values() for _ in methods])


@pytest.mark.usefixtures("filled")
@pytest.mark.timeout(14_400 if FUZZ else 300)
def test_sequences_of_requests(app: APIFlask) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    sent = Sent()

    class Sequence(schema.as_state_machine()):  # type: ignore[misc]
        def validate_response(self, response: Response, case: schemathesis.Case, **_: Any) -> None:
            sent.check(case, response)

    sequences = FUZZ // STATEFUL_SHARE // STEPS if FUZZ else SEQUENCES
    for batch in range(0, sequences, SEQUENCES):
        # What an earlier sequence made is still there, so the same draws may lead elsewhere: that is no failure.
        with suppress(FlakyStrategyDefinition):
            seed(batch)(Sequence).run(settings=how(SEQUENCES, stateful_step_count=STEPS))
    assert sent.total >= sequences
    print(f"{sent.total} requests in sequences: {dict(sent.statuses)}")


def test_what_is_made_links_to_what_can_be_done_with_it(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    links = document["paths"]["/api/v1/runs"]["post"]["responses"]["202"]["links"]
    assert {link["operationId"] for link in links.values()} >= {
        document["paths"]["/api/v1/runs/{run_id}"]["get"]["operationId"],
        document["paths"]["/api/v1/runs/{run_id}/cancel"]["post"]["operationId"],
    }
    assert {str(link["parameters"]) for link in links.values()} == {"{'run_id': '$response.body#/id'}"}
