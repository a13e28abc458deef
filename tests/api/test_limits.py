"""The bound on a segment that the service computes from a spec holds for the segment that the core plans."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.limits import faults_of, segment_bound_bytes
from workers.spec import DeviceSpec, MemcgSpec, RunSpec, ShmemSpec, ZswapSpec

SPECS = [
    RunSpec(protocol="swap_cache"),
    RunSpec(protocol="swap_cache", cpus=64),
    RunSpec(protocol="swap_cache", cpus=16, scenario="usemem"),
    RunSpec(protocol="swap_cache", cpus=8, scenario="fork_fault", pages=1 << 18),
    RunSpec(protocol="swap_cache", scenario="mix", mix={"load": 1}, mms=256, pages=4096),
    RunSpec(protocol="swap_cache", payload_bytes=4096, pages=1 << 16),
    RunSpec(protocol="swap_cache", slots=1 << 24, cluster_slots=8),
    RunSpec(protocol="swap_cache", folios=1 << 20, pages=64),
    RunSpec(protocol="swap_cache", memcg=MemcgSpec(limit_pages=1 << 18), pages=1 << 18),
    RunSpec(protocol="swap_cache", executor="cooperative"),
    RunSpec(protocol="swap_cache", scenario="trace", trace="cc1"),
    RunSpec(protocol="swap_cache", zswap=ZswapSpec(pool_pages=1 << 20)),
    RunSpec(protocol="swap_cache", zswap=ZswapSpec(pool_pages=1 << 20), payload_bytes=4096),
    RunSpec(protocol="swap_cache", zswap=ZswapSpec(pool_pages=16), slots=1 << 24),
    RunSpec(protocol="swap_cache", more_devices=(DeviceSpec(kind="disk"),) * 3, folios=1 << 20),
    RunSpec(protocol="swap_cache", shmem=ShmemSpec(inodes=64, pages=1 << 14)),
    RunSpec(protocol="swap_cache", cpus=64, timeline=True),
    RunSpec(protocol="has_cache", executor="cooperative", slots=1 << 24),
    RunSpec(protocol="swap_table_count", executor="cooperative", scenario="fork_fault", cpus=16, slots=1 << 21),
    *(
        RunSpec(protocol="swap_cache", scenario=scenario, cpus=cpus)
        for scenario in ("zram_swapin", "shmem_fault", "redis", "kernel_build", "swapoff_loop")
        for cpus in (2, 64)
    ),
]


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.scenario}-{spec.cpus}")
def test_the_bound_holds(spec: RunSpec) -> None:
    from workers.executors.plan import plan

    size = plan(spec).size
    bound = segment_bound_bytes(spec)
    assert size <= bound
    if spec.pages or spec.slots or spec.folios:  # where the spec says what counts, the bound is no wild guess
        assert bound < 4 * size + (64 << 20)


def test_a_segment_that_is_too_large_is_refused_with_its_size(settings: Settings) -> None:
    spec = RunSpec(protocol="swap_cache", slots=1 << 28)
    (fault,) = list(faults_of(spec, settings))
    assert "4096 MiB at most" in fault.detail
    assert list(faults_of(spec, settings.model_copy(update={"max_segment_bytes": 1 << 40}))) == []
