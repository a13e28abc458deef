"""unsynchronized: nobody claims a slot. The null variant: it must break, and proves that the laws can fail.

- Kernel: none.
- Holder: nobody. Whoever misses the cache inserts, over what is there.
- Loser: does not know that it lost.
- Cost: none, and every law of the cache.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, store8
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_shadow, swp_tb_to_shadow
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.errno cimport ENOENT
from workers.mm.memcontrol cimport slot_of
from workers.mm.page_alloc cimport folio_pages
from workers.mm.swap_state cimport folio_enters_cache
from workers.mm.swapfile cimport swap_map_get, swap_word
from workers.protocols.swap_cache cimport SwapCache


cdef class Unsynchronized(SwapCache):
    def __cinit__(self):
        self.name = "unsynchronized"

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Context: folio locked; takes no lock, and checks nothing but that there is a table to write to."""
        cdef uint64_t *word = swap_word(cpu, entry)
        cdef uint32_t i
        if word == NULL:
            return ENOENT
        if shadow != NULL and swp_tb_is_shadow(load64(word)):
            shadow[0] = swp_tb_to_shadow(load64(word))
        for i in range(folio_pages(cpu, pfn)):
            store8(&cpu.m.swap_map[slot_of(cpu, entry + i)], swap_map_get(cpu, entry + i) | SWAP_HAS_CACHE)
        folio_enters_cache(cpu, pfn, entry, word)
        return 0
