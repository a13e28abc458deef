"""L7. A fault that says that memory is short is taken again, or kills somebody. One that says so although nothing has failed
was only in somebody's way."""
from shm.vmstat cimport WARN_SPURIOUS_OOM
from workers.invariants.law cimport ON_LARGE_FOLIOS, StepLaw

from workers.invariants.law import ALL

LARGE = "museum 37, large folios: one that cannot be put in the swap cache is told as if memory were short"
INSERTS = ("unsynchronized", "swap_cache_as_posted", "swap_cache", "swap_table", "swap_table_count")


cdef class OomHasACause(StepLaw):
    """A fault reports that memory is short only if an allocation or a charge has failed since it began, or its slot was
    freed and used again for the same page meanwhile."""

    def __cinit__(self):
        self.id = "L7"
        self.points = ("L", "T")
        self.known_broken = {name: LARGE for name in INSERTS if name in ALL}
        self.unless = dict.fromkeys(self.known_broken, ON_LARGE_FOLIOS)
        self.noticed[WARN_SPURIOUS_OOM] = b"CPU %lu is out of memory though nothing has failed: entry 0x%lx (%lu failures, generation %lu)"
