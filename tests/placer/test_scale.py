"""Many runs over a Dask cluster of several workers on one machine: all done, each once, one at a time on its CPUs.

Two workers share each CPU set, and every set is one CPU. The suite does some, `make scale` a thousand.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import select

from server.config import Settings
from server.dispatcher import Dispatcher
from server.models import attempts, placements, runs
from server.schemas import Arm
from server.store import Store, open_store
from tests.placer.conftest import dask_cluster
from workers.spec import RunSpec

ARMS = ("has_cache", "swap_cache")
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module", autouse=True)
def address() -> Iterator[str]:
    """A scheduler with two workers on each of up to two CPUs, up before the processes of a test are counted."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    with dask_cluster(*(str(cpu) for cpu in cpus for _ in range(2))) as address:
        yield address


def spans_by_place(store: Store, study_id: int) -> dict[tuple[str, str], list[tuple[datetime, datetime]]]:
    """(host, CPU set) -> from when to when each run was measured there, in order."""
    query = select(placements.c.host, placements.c.cpu_set, attempts.c.running_at, attempts.c.finished_at)
    query = query.join(attempts, attempts.c.token == placements.c.attempt).join(
        runs, runs.c.attempt == attempts.c.token
    )
    found: dict[tuple[str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    with store.db.read() as connection:
        for row in connection.execute(query.where(runs.c.study_id == study_id)):
            span = datetime.fromisoformat(row.running_at), datetime.fromisoformat(row.finished_at)
            found[row.host, row.cpu_set].append(span)
    return {place: sorted(spans) for place, spans in found.items()}


@pytest.mark.parametrize(
    "blocks",
    [pytest.param(15, marks=pytest.mark.slow), pytest.param(500, marks=[pytest.mark.scale, pytest.mark.timeout(7200)])],
)
def test_every_run_is_done_once_and_alone_on_its_cpus(settings: Settings, address: str, blocks: int) -> None:
    store = open_store(settings.database_url)
    spec = {"scenario": "usemem", "cpus": 1, "seconds": 0.05}
    arms = [Arm(name=name, spec=RunSpec.model_validate({"protocol": name, **spec})) for name in ARMS]
    study = store.create_study(arms, blocks, name="scale")
    dispatcher = Dispatcher(store, settings.model_copy(update={"placer": f"dask={address}"}), study_id=study.id)
    began = time.monotonic()
    try:
        dispatcher.run_until(lambda: store.get_study(study.id).finished)
    finally:
        dispatcher.close()
    took = time.monotonic() - began
    done = store.study_runs(study.id)
    assert Counter((run.state, run.attempts) for run in done) == {("succeeded", 1): 2 * blocks}
    spans = spans_by_place(store, study.id)
    assert len(spans) == min(2, len(os.sched_getaffinity(0)))
    for place, at in spans.items():
        assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(at)), place
    assert sum(len(at) for at in spans.values()) == 2 * blocks
    print(f"{2 * blocks} runs in {took:.1f} s: {2 * blocks / took:.2f} a second, {len(spans)} sets of CPUs")
    store.close()
