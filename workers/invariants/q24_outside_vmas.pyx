"""Q24. What munmap has taken is gone: a fault, a swapoff or an advice that goes by an old look brings a page to where no
VMA is, and exit alone would ever free it."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport expected_of, layout_t, ptes_of, unmapped_of
from shm.mm cimport MM_UNUSED
from workers.invariants.law cimport Law, finding_t, tell


cdef class OutsideVmas(Law):
    """A page that no VMA has, has no PTE and no contents; its mm counts such pages, and has none when it has exited."""

    def __cinit__(self):
        self.id = "Q24"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t mm, found
        cdef uint64_t page
        for mm in range(<uint32_t>m.geo.mms):
            found = 0
            for page in range(m.geo.pages):
                if unmapped_of(m, mm)[page] == 0:
                    continue
                found += 1
                if ptes_of(m, mm)[page] != 0 or expected_of(m, mm)[page] != 0:
                    tell(out, b"mm %lu page %lu: no VMA has it, its PTE is 0x%lx, its last store %lu", mm, page,
                         ptes_of(m, mm)[page], expected_of(m, mm)[page])
            if found != m.mms[mm].unmapped or (found and m.mms[mm].state == MM_UNUSED):
                tell(out, b"mm %lu (state %lu): %lu pages that no VMA has, it counts %lu", mm, m.mms[mm].state, found,
                     m.mms[mm].unmapped)
