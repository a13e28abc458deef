"""order_before_lock: swap_cache where a truncation has looked at an entry's order before it takes the lock (museum 22).

- Kernel: 6.12 to 6.19 (809bc86517cc); 8a1968bd997f reads the order under the lock that the entry is erased under.
- Holder: as in swap_cache.
- Loser: a truncation whose large entry is split meanwhile: the first of its pages compares equal, and is all that it erases.
- Cost: slots of pages that are still there are given back: somebody else's next.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.shmem cimport radix_order
from workers.cpu cimport Cpu
from workers.protocols.swap_cache cimport SwapCache


cdef class OrderBeforeLock(SwapCache):
    def __cinit__(self):
        self.name = "order_before_lock"

    cdef uint32_t shmem_freed_order(self, Cpu cpu, uint64_t seen, uint64_t word) noexcept nogil:
        """Context: i_pages of the mapping held. As the entry was when it was found."""
        return radix_order(seen)
