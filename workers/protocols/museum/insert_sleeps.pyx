"""insert_sleeps: a loser asks again at once, and a holder sleeps for memory between claim and insertion (museum 9).

- Kernel: up to 2.6.31 (31a5639623a4 has the memory before it claims).
- Holder: the bit, as in has_cache, held over all that the insertion sleeps for.
- Loser: asks again, without pause. On the holder's CPU, which nobody can preempt, the holder never goes on.
- Cost: none while nobody sleeps; then a CPU that is locked up.
"""
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class InsertSleeps(HasCache):
    def __cinit__(self):
        self.name = "insert_sleeps"

    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil:
        """Context: the device is pinned; does not sleep."""
