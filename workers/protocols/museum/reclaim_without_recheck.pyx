"""reclaim_without_recheck: has_cache whose zap trusts a count that it saw before it locked the folio (museum 17).

- Kernel: 4.11; 322b8afe4a65 looks at the count again.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong: a zap sees a slot left to its cache and lets go of the cluster. Reclaim unmaps the
  folio meanwhile, which gives the slot a reference, and has to keep it, dirty, when its write fails. The zap locks
  the folio and throws it away.
"""
from libc.stdint cimport uint32_t

from shm.folio cimport PG_DIRTY, PG_WRITEBACK
from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_of, folio_set, folio_test
from workers.protocols.has_cache cimport HasCache


cdef class ReclaimWithoutRecheck(HasCache):
    def __cinit__(self):
        self.name = "reclaim_without_recheck"

    cdef bint drop_unused_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes i_pages lock, then cluster lock. The count is not looked at."""
        if folio_test(folio_of(cpu, pfn), PG_WRITEBACK):
            return False
        self.swap_cache_del_folio(cpu, pfn)
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
        return True
