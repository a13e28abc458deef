"""counted_twice: swap_cache that takes each slot off nr_swap_pages twice (museum 33).

- Kernel: 6.16 and 6.17, where hibernation allocates a slot: get_swap_page_of_type and swap_range_alloc both subtract.
  Here every allocation does, for nobody hibernates.
- Holder: as in swap_cache.
- Loser: as in swap_cache.
- Cost: none, until it goes wrong: one slot in use, two fewer free; what is free drifts away from what is left.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport add_i64
from shm.cluster cimport swap_cluster_info
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.swap_cache cimport SwapCache


cdef class CountedTwice(SwapCache):
    def __cinit__(self):
        self.name = "counted_twice"

    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil:
        """Context: folio locked; cluster lock held. The caller subtracts too."""
        if not SwapCache.cluster_alloc_range(self, cpu, ci, entry, pfn, nr):
            return False
        add_i64(&cpu.m.control.nr_swap_pages, -<int>nr)
        return True
