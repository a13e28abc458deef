"""T10. What a folio is read from is decided once for all of its slots: a device knows nothing of those that are zero-filled.

The kernel warns there too (swap_read_folio_zeromap). The read fails, and nobody hears of a device that did.
"""
from shm.vmstat cimport WARN_READ_MIXED
from workers.invariants.law cimport ON_LARGE_FOLIOS, StepLaw

from workers.invariants.law import ALL

REUSED = "museum 40, large folios: slots that were alike when the folio was allocated change hands before it is in the swap cache"
MAPS_ZEROES = (
    "unsynchronized", "has_cache_waitqueue", "swap_cache_as_posted", "swap_cache", "swap_table", "swap_table_count",
)


cdef class ZeroesAlike(StepLaw):
    """A folio is read from slots that are all in the zero-filled map, or none of which is."""

    def __cinit__(self):
        self.id = "T10"
        self.known_broken = {name: REUSED for name in MAPS_ZEROES if name in ALL}
        self.unless = dict.fromkeys(self.known_broken, ON_LARGE_FOLIOS)
        self.noticed[WARN_READ_MIXED] = b"CPU %lu reads a folio from entry 0x%lx: %lu of its %lu slots are zero-filled"
