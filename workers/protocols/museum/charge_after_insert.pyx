"""charge_after_insert: swap_table_count with 7.0's order: into the cache first, charged then (museum 27).

- Kernel: 7.0 (9acbe135588e charges first).
- Holder: the folio in the table, as in swap_table_count.
- Loser: finds the winner's folio and sleeps on its lock, over its charge too.
- Cost: the insertion is counted for no memcg, the removal for the one that was charged: its swapcached statistic drifts.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.swap_table cimport SwapTable
from workers.protocols.swap_table_count cimport SwapTableCount


cdef class ChargeAfterInsert(SwapTableCount):
    def __cinit__(self):
        self.name = "charge_after_insert"

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil:
        """Context: the device is pinned; may sleep."""
        return SwapTable.swap_cache_alloc_folio(self, cpu, entry, memcg, fresh)
