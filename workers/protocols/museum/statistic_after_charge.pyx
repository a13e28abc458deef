"""statistic_after_charge: reclaim takes the folio's charge away before it takes it out of the cache (museum 38).

- Kernel: 7.0 on cgroup v1, by the order that cures swap_cache_as_posted; here on has_cache_waitqueue, which counts right.
- Holder: the bit, as in has_cache_waitqueue.
- Loser: as in has_cache_waitqueue.
- Cost: the removal finds a folio without a memcg and is counted for none: swapcached of the memcg only grows.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.memcontrol cimport memcg1_swapout
from workers.mm.page_alloc cimport folio_pages
from workers.mm.swap_state cimport folio_leaves_cache
from workers.mm.swapfile cimport swap_word
from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue


cdef class StatisticAfterCharge(HasCacheWaitqueue):
    def __cinit__(self):
        self.name = "statistic_after_charge"

    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
        """Context: folio locked and frozen; cluster lock held, dropped here."""
        memcg1_swapout(cpu, self, pfn, entry)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), shadow)
        self.leave_unlock(cpu, entry, folio_pages(cpu, pfn))
