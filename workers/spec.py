"""What a run is asked to do: one frozen model, shared by the API, the CLI and the supervisor.

The edge refuses, the middle trusts: a `RunSpec` is parsed once, from JSON, and everything below it asserts only.
Units are last in names. Limits stand here, each with its reason.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_CPUS = 64  # one bit a CPU in masks; more real processes than that measure the host's scheduler
MAX_SECONDS = 3600.0  # a run is a trial, not a service
MAX_FOLIOS = 1 << 22  # 22 bits of PFN cover 16 GiB of emulated memory
MAX_SLOTS = 1 << 28  # 1 TiB of emulated swap on one device
MAX_DEVICES = 4  # MAX_SWAPFILES of the segment
MAX_MEMCGS = 64  # a shadow has 8 bits for its memcg; reclaim walks them one by one
MAX_PAGES = 1 << 24  # pages of one mm: 64 GiB of emulated address space

Scenario = Literal[
    "thread_fault",
    "fork_fault",
    "usemem",
    "mix",
    "trace",
    "redis",
    "kernel_build",
    "zram_swapin",
    "swapoff_loop",
    "shmem_fault",
]
Operation = Literal[
    "load",
    "store",
    "pageout",
    "dontneed",
    "reclaim",
    "fork",
    "exit",
    "swapoff",
    "cold",
    "willneed",
    "free",
    "move",
    "shmem_read",
    "shmem_write",
    "shmem_truncate",
    "zswap_writeback",
    "munmap",
    "mmap",
]


Injection = Literal["folio_alloc", "table_alloc", "count_alloc", "charge", "device_error", "device_slow", "lock_delay"]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceSpec(Model):
    """A swap device. zram is synchronous (SWP_SYNCHRONOUS_IO): the caller is busy for the set time."""

    kind: Literal["zram", "disk"] = "zram"
    read_ns: int = Field(5_000, ge=0, le=1_000_000_000, description="busy time (zram) or latency (disk) of a read")
    write_ns: int = Field(5_000, ge=0, le=1_000_000_000, description="busy time (zram) or latency (disk) of a write")
    queue_depth: int = Field(32, ge=1, le=1024, description="requests a disk serves at once; a zram has none")
    priority: int = Field(
        -1, ge=-1, le=32_767, description="the highest is filled first, equal ones in turn; -1: after all others"
    )
    rotating: bool = Field(False, description="a disk that rotates: all CPUs allocate at one place, cluster readahead")
    discard: bool = Field(False, description="a disk whose empty clusters are discarded before they are used again")
    discard_ns: int = Field(100_000, ge=0, le=1_000_000_000, description="time of the discard of a cluster")

    @model_validator(mode="after")
    def _of_its_kind(self) -> DeviceSpec:
        if self.kind != "disk" and (self.rotating or self.discard):
            raise ValueError("'rotating' and 'discard' belong to kind=disk: a zram drops its copy when a slot is freed")
        return self


class MemcgSpec(Model):
    """The memory cgroup of all mms of the run. limit_pages None: by scenario, half or an eighth of their pages.

    With children the limits are those of the parent, and the mms are spread over the children in turn.
    """

    version: Literal[1, 2] = 2
    limit_pages: int | None = Field(None, ge=1, le=MAX_FOLIOS)
    swap_limit_pages: int | None = Field(None, ge=0, le=MAX_SLOTS, description="v2: swap.max; v1: memsw beyond memory")
    children: int = Field(0, ge=0, le=MAX_MEMCGS - 1, description="memcgs below the limited one, without limits")


class ShmemSpec(Model):
    """Files of tmpfs, which live in the page cache and in swap: what the shmem operations of a mix work on."""

    inodes: int = Field(0, ge=0, le=64, description="files of tmpfs, each there from the start and empty")
    pages: int = Field(16, ge=1, le=1 << 20, description="pages of one file of tmpfs")
    orders: tuple[Annotated[int, Field(ge=1, le=9)], ...] = Field(
        (), description="orders that a folio of a file may have beside 0: 2^order pages"
    )


class ZswapSpec(Model):
    """zswap: pages that stay in memory, compressed, in place of their slots. Here each is kept whole."""

    pool_pages: int = Field(0, ge=0, le=MAX_FOLIOS, description="pages that zswap may keep; 0: there is no zswap")
    accept_percent: int = Field(90, ge=0, le=100, description="of the pool: a full one takes pages again below")
    shrinker: bool = Field(False, description="direct reclaim writes entries of zswap back, the oldest first")
    no_writeback: bool = Field(False, description="memory.zswap.writeback is 0: none goes to the device")
    store_ns: int = Field(2_000, ge=0, le=1_000_000_000, description="busy time of compressing a page")
    load_ns: int = Field(1_000, ge=0, le=1_000_000_000, description="busy time of decompressing a page")

    @model_validator(mode="after")
    def _of_a_pool(self) -> ZswapSpec:
        if not self.pool_pages and (self.shrinker or self.no_writeback):
            raise ValueError("'shrinker' and 'no_writeback' need zswap: zswap.pool_pages is 0")
        return self


class CooperativeSpec(Model):
    """How the cooperative executor chooses: random walk over seeds, or the replay of one recorded schedule."""

    scheduler: Literal["random_walk", "replay"] = "random_walk"
    schedules: int = Field(1_000, ge=1, le=100_000_000)
    operations_per_cpu: int = Field(4, ge=1, le=1_000_000, description="operations each CPU does in one schedule")
    schedule: str | None = Field(None, max_length=200_000, description="hex of CPU choices, for replay")


class RunSpec(Model):
    """One run of one protocol. The defaults make a run that fits a laptop."""

    protocol: str = Field(
        max_length=4096,
        pattern=r"^([a-z][a-z0-9_]{0,63}|/[^:]+\.pyx:[A-Za-z_][A-Za-z0-9_]{0,63})$",
        description="name in the catalogue, or /PATH.pyx:Class of a protocol outside the tree (command line only)",
    )
    scenario: Scenario = "thread_fault"
    executor: Literal["processes", "cooperative"] = "processes"
    driver: Literal["scenario", "external"] = Field(
        "scenario", description="who tells the CPUs what to do: the scenario, or clients (docs/load.md)"
    )
    cpus: int = Field(2, ge=1, le=MAX_CPUS)
    seconds: float = Field(1.0, gt=0, le=MAX_SECONDS, description="measured time (executor processes)")
    seed: int = Field(1, ge=0, lt=1 << 63)
    hz: Literal[100, 250, 300, 1000] = 250
    device: DeviceSpec = DeviceSpec()
    more_devices: tuple[DeviceSpec, ...] = Field((), max_length=MAX_DEVICES - 1, description="beside the first device")
    memcg: MemcgSpec = MemcgSpec()
    shmem: ShmemSpec = ShmemSpec()
    zswap: ZswapSpec = ZswapSpec()
    lock: Literal["word", "sem"] = "word"
    payload_bytes: int = Field(64, ge=64, le=4096, multiple_of=64)
    cluster_slots: Literal[8, 16, 32, 64, 128, 256, 512] | None = Field(None, description="None: 512, cooperative 16")
    folios: int | None = Field(None, ge=16, le=MAX_FOLIOS, description="pages of memory; None: by scenario")
    slots: int | None = Field(None, ge=16, le=MAX_SLOTS, description="swap slots of each device; None: by scenario")
    pages: int | None = Field(None, ge=1, le=MAX_PAGES, description="pages of one mm; None: by scenario")
    mms: int | None = Field(None, ge=1, le=256, description="address spaces; None: by scenario")
    access: Literal["sequential", "random", "zipf"] = "sequential"
    store_percent: int = Field(50, ge=0, le=100, description="share of stores among the accesses of a workload")
    mix: dict[Operation, int] | None = Field(None, description="scenario mix: operation -> weight")
    trace: str | None = Field(None, max_length=4096, description="scenario trace: name in the catalogue or path")
    swapoff_every_ms: int | None = Field(None, ge=1, le=60_000, description="swapoff and swapon again in this period")
    readahead_pages: Literal[1, 2, 4, 8, 16, 32] = 8
    anon_orders: tuple[Annotated[int, Field(ge=1, le=9)], ...] = Field(
        (), description="orders that an anonymous folio may have beside 0: 2^order pages"
    )
    inject: dict[Injection, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=dict, description="injected failures: name -> how many of a million fail"
    )
    laws: Literal["off", "at_rest", "every_unlock"] = "at_rest"
    lockdep: bool = False
    timeline: bool = Field(False, description="keep the end of the CPUs' trace rings; a replay keeps its steps anyway")
    cooperative: CooperativeSpec = CooperativeSpec()

    @property
    def devices(self) -> tuple[DeviceSpec, ...]:
        """All swap devices, in the order of their numbers."""
        return (self.device, *self.more_devices)

    @model_validator(mode="after")
    def _scenario_has_what_it_needs(self) -> RunSpec:
        if self.scenario == "mix":
            if not self.mix or sum(self.mix.values()) <= 0:
                raise ValueError("scenario mix needs 'mix': operation -> weight, with one weight above 0")
            if any(w < 0 or w > 1_000_000 for w in self.mix.values()):
                raise ValueError("weights of 'mix' lie between 0 and 1000000")
            on_files = sum(weight for name, weight in self.mix.items() if name.startswith("shmem_"))
            if on_files and not self.shmem.inodes:
                raise ValueError("the shmem operations of 'mix' need files: shmem.inodes is 0")
            if self.mix.get("zswap_writeback") and not self.zswap.pool_pages:
                raise ValueError("'zswap_writeback' in 'mix' needs zswap: zswap.pool_pages is 0")
        elif self.mix is not None:
            raise ValueError(f"'mix' belongs to scenario mix, not to {self.scenario}")
        if self.scenario == "trace" and not self.trace:
            raise ValueError("scenario trace needs 'trace': a name from the catalogue or the path of a recording")
        if self.scenario not in ("trace", "kernel_build") and self.trace is not None:
            raise ValueError(f"'trace' belongs to scenario trace or kernel_build, not to {self.scenario}")
        if self.scenario == "swapoff_loop" and self.cpus < 2:
            raise ValueError("scenario swapoff_loop needs 2 CPUs: one that takes the device away, others that use it")
        if self.laws == "every_unlock" and self.executor != "cooperative":
            raise ValueError("laws=every_unlock needs executor=cooperative: real CPUs cannot be stopped to look")
        if self.driver == "external" and self.executor != "processes":
            raise ValueError("driver=external needs executor=processes: clients drive real CPUs")
        if self.driver == "external" and self.swapoff_every_ms is not None:
            raise ValueError("'swapoff_every_ms' belongs to driver=scenario: a client asks for swapoff itself")
        if self.lock == "sem" and self.executor == "cooperative":
            raise ValueError("lock=sem needs executor=processes: in a cooperative run no lock is ever slept on")
        if self.cooperative.scheduler == "replay" and not self.cooperative.schedule:
            raise ValueError("cooperative.scheduler=replay needs cooperative.schedule")
        return self


def canonical(spec: RunSpec) -> str:
    """The one text of a spec: sorted keys, no blanks. What is hashed and stored."""
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def config_hash(spec: RunSpec, *, without: frozenset[str] = frozenset({"seed"})) -> str:
    """sha-256 of the canonical spec less `without`: runs of one arm share it, whatever their seeds."""
    body = {k: v for k, v in spec.model_dump(mode="json").items() if k not in without}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
