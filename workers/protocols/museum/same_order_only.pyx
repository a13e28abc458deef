"""same_order_only: swap_cache where a folio takes the place of an entry of its own order alone (museum 23).

- Kernel: 6.12 to 6.16; 5c241ed8d031 looks at the words of all of the folio's pages instead. Here with the swap cache of 7.0.
- Holder: as in swap_cache.
- Loser: a read that finds a large folio in the swap cache where its entry has been split: it looks again, for ever.
- Cost: a CPU that never comes back.
"""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_of
from workers.protocols.swap_cache cimport SwapCache


cdef class SameOrderOnly(SwapCache):
    def __cinit__(self):
        self.name = "same_order_only"

    cdef bint shmem_order_fits(self, Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
        """Context: folio locked. The entry's order is the folio's."""
        return order == folio_of(cpu, pfn).order
