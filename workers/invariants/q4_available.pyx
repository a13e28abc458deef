"""Q4. A device that is off the list gets no pages, however much room it has; one that stays on it is asked in vain."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from shm.swapfile cimport SWAP_USAGE_OFFLIST_BIT, SWP_WRITEOK, swap_avail_t, swap_info_struct, swap_usage_in_pages
from workers.invariants.law cimport Law, finding_t, tell


cdef uint32_t times_on_list(layout_t *m, uint32_t device) noexcept nogil:
    cdef uint32_t i, times = 0
    for i in range(m.swap_avail.nr):
        times += m.swap_avail.device[i] == device
    return times


cdef class Available(Law):
    """A device is on the list of available ones, once, exactly while it takes pages and is not marked as off the list; one
    that takes pages is marked only while it is full. The list is in the order of priorities."""

    def __cinit__(self):
        self.id = "Q4"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef swap_avail_t *avail = m.swap_avail
        cdef swap_info_struct *si
        cdef uint32_t device, i
        cdef bint off
        if avail.nr > m.geo.devices:
            tell(out, b"%lu devices are on the list, of %lu", avail.nr, m.geo.devices, 0, 0)
            return
        for device in range(<uint32_t>m.geo.devices):
            si = &m.si[device]
            off = (si.inuse_pages & SWAP_USAGE_OFFLIST_BIT) != 0
            if times_on_list(m, device) != <uint32_t>(si.flags & SWP_WRITEOK != 0 and not off):
                tell(out, b"device %lu is on the list %lu times, its flags are 0x%lx, off the list: %lu", device,
                     times_on_list(m, device), si.flags, off)
            if off and si.flags & SWP_WRITEOK and swap_usage_in_pages(si) != si.pages:
                tell(out, b"device %lu is off the list, with %lu of %lu slots in use", device,
                     <uint64_t>swap_usage_in_pages(si), si.pages, 0)
        for i in range(1, avail.nr):
            if avail.device[i - 1] < m.geo.devices and avail.device[i] < m.geo.devices and (
                    m.si[avail.device[i - 1]].prio < m.si[avail.device[i]].prio):
                tell(out, b"device %lu is asked before device %lu", avail.device[i - 1], avail.device[i], 0, 0)
