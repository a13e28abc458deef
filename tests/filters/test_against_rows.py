"""Filters in SQL against a plain evaluator over the same rows, on every kind of database."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.filters import RUNS, Order, parse
from server.filters.tree import Any as Or
from server.filters.tree import Every, Node, Not, Pattern, Test, Words
from server.processes import myself
from server.schemas import Arm, BaselineCreate, Run
from server.store import Store
from tests.database.outcomes import broken_law, made_outcome
from workers.spec import DeviceSpec, RunSpec


@pytest.fixture
def filled(database: str) -> Iterator[Store]:
    """Runs of several kinds: some over, some broken, some waiting; a study, a baseline, a retry."""
    store = Store(database)
    arms = [
        Arm(name="old", spec=RunSpec(protocol="has_cache", cpus=4)),
        Arm(name="new_1", spec=RunSpec(protocol="swap_cache", cpus=4, device=DeviceSpec(kind="disk", read_ns=80_000))),
    ]
    study = store.create_study(arms, 2, name="Tick Sleeps 50%")
    for cpus, scenario in itertools.product((1, 8), ("fork_fault", "usemem")):
        store.create_run(RunSpec.model_validate({"protocol": "swap_cache", "cpus": cpus, "scenario": scenario}))
    for number in range(6):
        claim = store.claim(myself(), lease_seconds=15)
        assert claim is not None
        store.mark_running(claim.token)
        if number == 4:
            store.give_up(claim.token, "lost", "supervisor_died", "100% gone_")
            continue
        violations = [broken_law()] if number == 3 else []
        store.finish(claim.token, made_outcome(scale=1 + number, violations=violations))
    store.create_baseline(BaselineCreate(name="base", runs=[1, 2]))
    store.retry_run(1)
    store.cancel_run(7)
    assert store.get_study(study.id).finished
    yield store
    store.close()


Row = dict[str, Any]


def row_of(store: Store, run: Run) -> Row:
    """What a run has in each field, taken from the model; a list for a field whose values are other rows."""
    metrics = run.metrics or {}
    return {
        **{
            field: getattr(run, field)
            for field in ("id", "state", "protocol", "scenario", "cpus", "arm", "block", "host")
        },
        **{field: metrics.get(field) for field in ("p99_ns", "tick_sleeps")},
        "retry_of": run.retry_of,
        "study": run.study_id,
        "study_name": store.get_study(run.study_id).name if run.study_id else None,
        "reason": run.state_reason.code if run.state_reason else None,
        "sentence": run.state_reason.sentence if run.state_reason else None,
        "device": run.spec.device.kind,
        "read_ns": run.spec.device.read_ns,
        "seconds": run.spec.seconds,
        "violations": sum(each.count for each in store.violations_of(run.id)),
        "law": [each.law for each in store.violations_of(run.id)],
        "baseline": ["base"] if run.id in (1, 2) else [],
        "created": run.created_at,
        "finished": run.finished_at,
    }


def passes(row: Row, node: Node) -> bool:
    """The meaning of a tree, as docs/filters.md tells it: nothing passes a test on what is not there."""
    match node:
        case Every():
            return all(passes(row, each) for each in node.nodes)
        case Or():
            return any(passes(row, each) for each in node.nodes)
        case Not():
            return not passes(row, node.node)
        case Words():
            found = [row[field] for field in RUNS.searched]
            return any(value is not None and node.text.lower() in value.lower() for value in found)
        case Pattern():
            return any(
                fnmatch.fnmatchcase(value.lower(), node.glob.lower().replace("[", "[[]").replace("?", "[?]"))
                for value in values_of(row, node.field)
            )
        case Test():
            return any(compared(node, value) for value in values_of(row, node.field))


def values_of(row: Row, field: str) -> list[Any]:
    value = row[field]
    return value if isinstance(value, list) else [] if value is None else [value]


def compared(test: Test, value: Any) -> bool:
    wanted: Any = test.value
    return {
        "=": value == wanted,
        "<": test.operator == "<" and value < wanted,
        "<=": test.operator == "<=" and value <= wanted,
        ">": test.operator == ">" and value > wanted,
        ">=": test.operator == ">=" and value >= wanted,
    }[test.operator]


TEXTS = {
    "protocol": ["swap_cache", "has_cache", "*_cache", "S*"],
    "arm": ["old", "new_1", "n*_1", "*w_", "ne_*"],
    "study_name": ['"Tick Sleeps 50%"', "tick*", "*%"],
    "reason": ["completed", "done", "supervisor_died", "*cancel*"],
    "host": ["lab", "LA*", "nowhere"],
    "law": ["P1", "p*", "Q*"],
    "baseline": ["base", "b*", "none"],
    "state": ["succeeded", "failed", "queued", "lost"],
    "scenario": ["thread_fault", "usemem"],
    "device": ["zram", "disk"],
}
NUMBERS = {
    "id": ["1", "3", "2..6"],
    "cpus": ["1", "4", "8", "2..8"],
    "block": ["0", "1"],
    "violations": ["0", "2", "1..9"],
    "retry_of": ["1"],
    "tick_sleeps": ["7", "0"],
    "seconds": ["1s", "500ms", "..2"],
    "read_ns": ["5us", "80us", "1us..1ms"],
    "p99_ns": ["8us", "16us", "10us..30us", "..1s"],
    "created": ["2020..", "2999", "2026-11-23"],
}
text_terms = st.sampled_from(sorted(TEXTS)).flatmap(
    lambda field: st.sampled_from(TEXTS[field]).flatmap(
        lambda value: st.sampled_from([":", "=", "!="]).map(lambda operator: f"{field}{operator}{value}")
    )
)
number_terms = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda field: st.sampled_from(NUMBERS[field]).flatmap(
        lambda value: st.sampled_from([":", "!="] if ".." in value else [":", "!=", "<", "<=", ">", ">="]).map(
            lambda operator: f"{field}{operator}{value}"
        )
    )
)
words = st.sampled_from(["cache", '"100%"', "gone_", '"tick s"', "LAB", "nothing", '"new_"', '"0%"'])
filters = st.recursive(
    text_terms | number_terms | words,
    lambda inner: st.one_of(
        inner.map(lambda text: f"NOT ({text})"),
        inner.map(lambda text: f"-({text})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) OR ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} AND {pair[1]}"),
    ),
    max_leaves=6,
)


def test_every_filter_finds_what_it_means(filled: Store) -> None:
    everything = [row_of(filled, run) for run in filled.list_runs(limit=200)[0]]

    @settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(filters)
    def search(text: str) -> None:
        tree = parse(text, RUNS)
        found = [run.id for run in filled.list_runs(where=tree, limit=200)[0]]
        assert found == [row["id"] for row in everything if passes(row, tree)], text

    search()


def test_every_field_can_be_asked_for_and_sorted_by(filled: Store) -> None:
    examples = {"text": "x*", "number": "3", "time_ns": "5us", "seconds": "1s", "moment": "2026", "age": "1h"}
    for field in RUNS.fields.values():
        value = field.choices[0] if field.choices else examples[field.kind]
        operators = "<" if field.kind == "age" else ":"
        for text in (f"{field.name}{operators}{value}", f"-{field.name}{operators}{value}"):
            filled.list_runs(where=parse(text, RUNS), limit=3)
        if not field.sortable:
            continue
        for down in (False, True):
            order = Order(field.name, down)
            whole = [run.id for run in filled.list_runs(order=order, limit=200)[0]]
            paged: list[int] = []
            after = None
            while True:
                page, after = filled.list_runs(order=order, limit=2, after=after)
                paged += [run.id for run in page]
                if after is None:
                    break
            assert paged == whole, field.name
            assert len(set(whole)) == len(whole)


def test_figures_are_in_their_order(filled: Store) -> None:
    found = filled.list_runs(order=Order("p99_ns", down=True), limit=200)[0]
    figures = [run.metrics["p99_ns"] or 0 for run in found if run.metrics]
    assert figures == sorted(figures, reverse=True)
    assert len(figures) == len(found) == 5
