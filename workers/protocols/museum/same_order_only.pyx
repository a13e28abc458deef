"""same_order_only: has_cache_waitqueue where a folio takes the place of an entry of its own order alone (museum 23).

- Kernel: 6.12 to 6.16; 5c241ed8d031 looks at the words of all of the folio's pages instead.
- Holder: as in has_cache_waitqueue.
- Loser: a read that finds a large folio in the swap cache where its entry has been split: it looks again, for ever.
- Cost: a CPU that never comes back.
"""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_of
from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue


cdef class SameOrderOnly(HasCacheWaitqueue):
    def __cinit__(self):
        self.name = "same_order_only"

    cdef bint shmem_order_fits(self, Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
        """Context: folio locked. The entry's order is the folio's."""
        return order == folio_of(cpu, pfn).order
