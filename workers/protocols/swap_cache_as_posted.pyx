"""swap_cache_as_posted: swap_cache before its fix, as the patch first was in mm-unstable.

- Kernel: phase II patch 12 as posted in December 2025; unsound on cgroup v1 (syzbot d97580a8cceb9b03c13e).
- Holder: the folio in the table, as in swap_cache.
- Loser: sleeps on the folio's lock, as in swap_cache.
- Cost: as swap_cache; but reclaim takes the folio out of the cache, which frees a slot whose last reference is gone, before it
  records the cgroup id: the id lands on a free slot, and memsw, MEMCG_SWAP and the id's reference leak.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.memcontrol cimport memcg1_swapout
from workers.mm.page_alloc cimport folio_pages
from workers.mm.swap_state cimport folio_leaves_cache
from workers.mm.swapfile cimport put_cache_locked, swap_cache_unlock, swap_word
from workers.protocols.swap_cache cimport SwapCache


cdef class SwapCacheAsPosted(SwapCache):
    def __cinit__(self):
        self.name = "swap_cache_as_posted"

    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
        """Context: folio locked and frozen; cluster lock held, dropped here. The id is recorded when the slot may be free."""
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), shadow)
        put_cache_locked(cpu, self, entry, folio_pages(cpu, pfn))
        memcg1_swapout(cpu, self, pfn, entry)
        swap_cache_unlock(cpu, entry)
