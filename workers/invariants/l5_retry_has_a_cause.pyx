"""L5. An insertion that is refused for a folio which is not there is tried again at once, without a sleep. That ends because
another CPU has done something in between; if nobody has, it never ends."""
from shm.vmstat cimport WARN_RETRY_ALONE
from workers.invariants.law cimport StepLaw

from workers.invariants.law import SWAP_CACHE_DECIDES


cdef class RetryHasACause(StepLaw):
    """Whoever is refused an insertion, finds no folio and tries again: somebody has taken a folio out of the swap cache in
    between."""

    def __cinit__(self):
        self.id = "L5"
        self.points = ("L", "T")
        self.protocols = SWAP_CACHE_DECIDES
        self.noticed[WARN_RETRY_ALONE] = b"CPU %lu was refused entry 0x%lx, found no folio, and nobody took one out (%lu so far, %lu)"
