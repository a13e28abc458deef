"""retry_yields: a loser yields instead of sleeping, and asks again as long as it takes (museum 7).

- Kernel: up to 6.0 in readahead, cond_resched in the loop (029c4628b2eb sleeps a tick instead).
- Holder: the bit, as in has_cache.
- Loser: yields, which lets go on whoever has at least its own priority, and asks again. A holder of a lower one never
  runs: a real-time task that loses spins for ever.
- Cost: no tick; CPU time for as long as the holder has the bit, or all of it.
"""
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache

cdef enum:
    YIELD_NS = 1000  # of cond_resched, with nobody else to run


cdef class RetryYields(HasCache):
    def __cinit__(self):
        self.name = "retry_yields"

    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil:
        """Context: the device is pinned; does not sleep."""
        cpu.busy(YIELD_NS)
