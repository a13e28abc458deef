"""F3. Who holds a folio's lock may rely on its place: the lock is what a loser waits for, and verifies under."""
from shm.vmstat cimport WARN_CACHE_UNLOCKED
from workers.invariants.law cimport StepLaw


cdef class CacheUnderLock(StepLaw):
    """A folio is put in the swap cache, and taken out, only by who holds its lock."""

    def __cinit__(self):
        self.id = "F3"
        self.points = ("F", "T")
        self.noticed[WARN_CACHE_UNLOCKED] = b"CPU %lu moved a folio it has not locked: entry 0x%lx, folio %lu (0x%lx)"
