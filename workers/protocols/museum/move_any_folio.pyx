"""move_any_folio: swap_cache whose move takes the folio that it found for the entry's (museum 11).

- Kernel: 6.8 to 6.15; 0ea148a79919 asks again once the folio is locked. The step stood on V1.
- Holder: as in swap_cache.
- Loser: as in swap_cache.
- Cost: none, until it goes wrong: between lookup and lock the slot is freed, used by another page, freed again, and
  used by the page that is to move. Its PTE reads as before, and the other page's folio gets its new address.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.swap_cache cimport SwapCache


cdef class MoveAnyFolio(SwapCache):
    def __cinit__(self):
        self.name = "move_any_folio"

    cdef bint move_matches(self, Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
        """Context: folio locked. Not looked at."""
        return True
