"""swap_table_count: swap_map is gone; the table word counts the references too.

- Kernel: 7.1 (phase III), with the charge before the insertion again (9acbe135588e).
- Holder: the folio in the table, as in swap_table.
- Loser: finds the winner's folio and sleeps on its lock until the read is done.
- Cost: one byte a slot less, and one word that holds all of a slot's state. A readahead that loses has charged for nothing.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_WRITEBACK
from shm.slots cimport slot_word
from shm.swap_map cimport SLOTS_TABLE
from shm.swap_table cimport swp_tb_is_folio
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.memcontrol cimport slot_of
from workers.mm.page_alloc cimport folio_of, folio_pages, folio_set, folio_test
from workers.mm.swap_count cimport swap_extend_table_alloc, table_count_down, table_count_up
from workers.mm.swapfile cimport swap_entry_free_locked, swap_entry_referenced
from workers.protocols.swap_table cimport SwapTable


cdef class SwapTableCount(SwapTable):
    def __cinit__(self):
        self.name = "swap_table_count"
        self.slot_format = SLOTS_TABLE
        self.charges_first = True

    cdef int swap_dup_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. Up to 14 in the word, from 15 on in the extend table."""
        return table_count_up(cpu, ci, entry)

    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. The slot is free when its word counts nothing and holds no folio."""
        if table_count_down(cpu, ci, entry) and not swp_tb_is_folio(slot_word(&cpu.m, slot_of(cpu, entry))):
            swap_entry_free_locked(cpu, ci, entry)

    cdef int swap_count_alloc(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: a reference pins the slot; takes the cluster lock. An extend table for its cluster."""
        return swap_extend_table_alloc(cpu, entry)

    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock to delete only. The look needs none: 0 to 1 needs the folio lock."""
        cdef swp_entry_t entry
        cdef uint32_t i
        if not folio_test(folio_of(cpu, pfn), PG_SWAPCACHE) or folio_test(folio_of(cpu, pfn), PG_WRITEBACK):
            return False
        entry = load64(&folio_of(cpu, pfn).swap)
        for i in range(folio_pages(cpu, pfn)):
            if swap_entry_referenced(cpu, entry + i):
                return False
        self.swap_cache_del_folio(cpu, pfn)
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
        return True
