"""The races that exploration plays: small machines, a few operations on each CPU, and one question each.

One file a subject. Plain data, so that the service can list them without the compiled core. A step is what
workers/workloads/script.pyx takes. `before` is done by CPU 0 alone; the state that it leaves is the one that every
schedule begins with.
"""

from __future__ import annotations

from workers.races.counts import COUNTS
from workers.races.devices import DEVICES
from workers.races.faults import FAULTS
from workers.races.large import LARGE
from workers.races.madvise import MADVISE
from workers.races.memcg import MEMCG
from workers.races.mmap import MMAP
from workers.races.move import MOVE
from workers.races.race import SMALL, Race, Step
from workers.races.sharing import SHARING
from workers.races.shmem import SHMEM
from workers.races.shmem_large import SHMEM_LARGE
from workers.races.swapoff import SWAPOFF
from workers.races.zswap import ZSWAP

__all__ = ["RACES", "SMALL", "Race", "Step"]

SUBJECTS = (
    *(FAULTS, SHARING, MADVISE, MMAP, MOVE, DEVICES, MEMCG, SWAPOFF, COUNTS),
    *(SHMEM, SHMEM_LARGE, ZSWAP, LARGE),
)
RACES: dict[str, Race] = {race.name: race for subject in SUBJECTS for race in subject}
