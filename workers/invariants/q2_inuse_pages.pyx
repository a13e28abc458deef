"""Q2. The device's count of used slots is what swapoff waits for and what the allocator asks first."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.layout cimport cluster_of, layout_t
from shm.swapfile cimport swap_usage_in_pages
from workers.invariants.law cimport Law, bad_slots, finding_t, tell


cdef class InusePages(Law):
    """The used slots of a device's clusters, bad ones left out, add up to its inuse_pages."""

    def __cinit__(self):
        self.id = "Q2"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device
        cdef uint64_t i
        cdef int64_t used
        for device in range(<uint32_t>m.geo.devices):
            used = 0
            for i in range(m.clusters_per_device):
                used += <int64_t>cluster_of(m, device, i).count - <int64_t>bad_slots(m, i)
            if used != swap_usage_in_pages(&m.si[device]):
                tell(out, b"device %lu: inuse_pages is %ld, its clusters have %ld", device,
                     <uint64_t>swap_usage_in_pages(&m.si[device]), <uint64_t>used, 0)
