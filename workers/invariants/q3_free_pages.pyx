"""Q3. What is left of swap decides who reclaims and who gives up: a count that drifts makes memory run out early, or late."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.swapfile cimport SWP_WRITEOK, swap_usage_in_pages
from workers.invariants.law cimport Law, finding_t, tell


cdef class FreePages(Law):
    """nr_swap_pages is what the devices that take pages have free, total_swap_pages what they have in all."""

    def __cinit__(self):
        self.id = "Q3"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device
        cdef int64_t left = 0, total = 0
        for device in range(<uint32_t>m.geo.devices):
            if m.si[device].flags & SWP_WRITEOK:
                left += <int64_t>m.si[device].pages - swap_usage_in_pages(&m.si[device])
                total += m.si[device].pages
        if m.control.nr_swap_pages != left:
            tell(out, b"nr_swap_pages is %ld, the devices have %ld free", <uint64_t>m.control.nr_swap_pages,
                 <uint64_t>left, 0, 0)
        if m.control.total_swap_pages != total:
            tell(out, b"total_swap_pages is %ld, the devices have %ld", <uint64_t>m.control.total_swap_pages,
                 <uint64_t>total, 0, 0)
