"""charge_before_insert: swap_table with 7.1's order: charged to whom the slot is recorded for, then inserted (museum 28).

- Kernel: 7.1 (9acbe135588e); until the insertion itself takes the id, as phase IV proposes.
- Holder: the folio in the table, as in swap_table. Nothing pins the slot while its folio is charged.
- Loser: finds the winner's folio and sleeps on its lock.
- Cost: a slot that is freed and used again meanwhile gets a folio that its former cgroup pays for.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.memory cimport alloc_charged_folio
from workers.mm.swap_state cimport swap_cache_get_folio, swap_entry_swapped
from workers.protocols.swap_table cimport SwapTable


cdef class ChargeBeforeInsert(SwapTable):
    def __cinit__(self):
        self.name = "charge_before_insert"

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil:
        """Context: the device is pinned; may sleep. The id is looked up when the slot may be anybody's in the end."""
        cdef uint32_t pfn = swap_cache_get_folio(cpu, entry), own
        fresh[0] = False
        if pfn or not swap_entry_swapped(cpu, entry):
            return pfn
        own = alloc_charged_folio(cpu, memcg, entry)
        if not own:
            return 0
        pfn = self.prepare_and_add(cpu, own, entry, memcg, True)
        fresh[0] = pfn == own
        return pfn
