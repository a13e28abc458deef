"""writeback_without_compare: has_cache whose zswap does not look again whose slot it writes to (museum 4).

- Kernel: 3.11 to 6.4; 04fc7816089c compares the entry once the folio is in the swap cache.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until the slot is another page's: that one is lost, and this one read in its place.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class WritebackWithoutCompare(HasCache):
    def __cinit__(self):
        self.name = "writeback_without_compare"

    cdef bint zswap_still_stored(self, Cpu cpu, swp_entry_t entry, uint32_t index) noexcept nogil:
        """Context: the slot's folio locked and in the swap cache. Not looked at."""
        return True
