"""How many of what: the numbers from which every offset of a segment follows."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from shm.errors import GeometryError

MAX_CPU_BLOCKS = 1088  # 1024 simulated CPUs and a disk's; a lock word has 16 bits for its CPU
MAX_MMS = 1024  # bits of anon_vma_t.members


@dataclass(frozen=True)
class Geometry:
    """Counts of one segment. `slots` includes the header slot of each device, which is never used."""

    cpus: int
    devices: int
    slots: int
    cluster_slots: int
    tables: int
    blocks: int
    folios: int
    mms: int
    pages: int
    memcgs: int
    payload_bytes: int
    trace_records: int
    lock_kind: int
    slot_format: int = 0
    ext_tables: int = 0
    cont_pages: int = 0
    generations: int = 0
    inodes: int = 0
    inode_pages: int = 0
    zeromap: int = 0
    zswap_pages: int = 0
    anon_orders: int = 0  # a bit for each order that an anonymous folio may have beside 0
    shmem_orders: int = 0  # and one of a file

    def __post_init__(self) -> None:
        limits = {
            "cpus": (1, MAX_CPU_BLOCKS),
            "devices": (1, 4),  # MAX_SWAPFILES
            "slots": (2, 1 << 28),
            "cluster_slots": (8, 512),
            "tables": (1, 1 << 26),
            "blocks": (1, 1 << 28),
            "folios": (2, (1 << 22) + 1),
            "mms": (1, MAX_MMS),
            "pages": (1, 1 << 24),
            "memcgs": (1, 64),
            "payload_bytes": (64, 4096),
            "trace_records": (1, 1 << 20),
            "lock_kind": (0, 1),
            "slot_format": (0, 2),
            "ext_tables": (0, 1 << 20),
            "cont_pages": (0, 1 << 16),
            "generations": (0, 1),
            "inodes": (0, 64),
            "inode_pages": (0, 1 << 20),
            "zeromap": (0, 1),
            "zswap_pages": (0, 1 << 22),
            "anon_orders": (0, (1 << 10) - 2),
            "shmem_orders": (0, (1 << 10) - 2),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = limits[field.name]
            if not low <= value <= high:
                raise GeometryError(f"geometry: {field.name} is {value}; it must lie between {low} and {high}")
        if self.cluster_slots & (self.cluster_slots - 1):
            raise GeometryError(f"geometry: cluster_slots is {self.cluster_slots}; it must be a power of two")
        if self.payload_bytes % 64:
            raise GeometryError(f"geometry: payload_bytes is {self.payload_bytes}; it must be a multiple of 64")

    def words(self) -> tuple[int, ...]:
        """The numbers in the order in which the header keeps them."""
        return astuple(self)

    @property
    def clusters(self) -> int:
        """Clusters of one device; the last one may be partly beyond the end."""
        return -(-self.slots // self.cluster_slots)
