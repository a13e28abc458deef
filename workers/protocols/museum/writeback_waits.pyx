"""writeback_waits: has_cache whose zswap waits for whoever has claimed the slot, be it its own caller (museum 10).

- Kernel: none; what a65b0e7607ccb would have been without skip_if_exists.
- Holder: as in has_cache.
- Loser: as in has_cache; and the shrinker that a claimant's own charge has called, which so waits for itself.
- Cost: one CPU, for good.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class WritebackWaits(HasCache):
    def __cinit__(self):
        self.name = "writeback_waits"

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil:
        """Context: the device is pinned; may sleep, a tick at a time while anybody has the bit."""
        return HasCache.swap_cache_alloc_folio(self, cpu, entry, memcg, fresh, False)
