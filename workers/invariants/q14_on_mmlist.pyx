"""Q14. swapoff visits the mms of one list; a page of an mm that is not on it keeps swapoff going for ever."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, ptes_of
from shm.mm cimport MM_UNUSED, MMLIST_ON, is_swap_pte
from workers.invariants.law cimport Law, finding_t, tell


cdef class OnMmlist(Law):
    """Every mm with a swap PTE is on the mmlist, every file with a swapped page on the swaplist."""

    def __cinit__(self):
        self.id = "Q14"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t mm
        cdef uint64_t page
        for mm in range(<uint32_t>m.geo.mms):
            if m.mms[mm].state == MM_UNUSED or m.mms[mm].on_mmlist == MMLIST_ON:
                continue
            for page in range(m.geo.pages):
                if is_swap_pte(ptes_of(m, mm)[page]):
                    tell(out, b"mm %lu page %lu: PTE 0x%lx, and its mmlist links are %lu", mm, page,
                         ptes_of(m, mm)[page], m.mms[mm].on_mmlist)
        for mm in range(<uint32_t>m.geo.inodes):
            if m.inodes[mm].swapped > 0 and not m.inodes[mm].on_swaplist:
                tell(out, b"file %lu has %lu swapped pages and is not on the swaplist", mm, <uint64_t>m.inodes[mm].swapped, 0, 0)
