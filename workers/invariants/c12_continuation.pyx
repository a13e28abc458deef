"""C12. The count of a byte goes on in continuation pages exactly as far as their digits say."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport cont_page_of, layout_t
from shm.slots cimport cont_count, slot_byte
from shm.swap_map cimport COUNT_CONTINUED, MAP_PAGE_SLOTS, SLOTS_TABLE, SWAP_HAS_CACHE, SWAP_MAP_SHMEM
from workers.invariants.law cimport ClusterLaw, finding_t, first_of, first_slot, last_of, tell

from workers.invariants.law import HAS_MAP


cdef class Continuation(ClusterLaw):
    """A byte has COUNT_CONTINUED exactly where its continuation digits are not all 0, and so has every digit but the last
    one that is not 0."""

    def __cinit__(self):
        self.id = "C12"
        self.plain = True
        self.points = ("C",)
        self.protocols = self.cluster_protocols = HAS_MAP

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t i, slot
        if m.geo.slot_format == SLOTS_TABLE:
            return
        for i in range(first_of(m, cluster), last_of(m, cluster)):
            slot = first_slot(m, device) + i
            if not slot_byte(m, slot) & COUNT_CONTINUED or (
                    m.control.map_shmem and slot_byte(m, slot) & ~SWAP_HAS_CACHE == SWAP_MAP_SHMEM):
                continue
            if cont_count(m, slot) == 0:
                tell(out, b"device %lu slot %lu: the byte is 0x%lx, its digits are 0", device, i, slot_byte(m, slot), 0)
            elif not ends_in_a_digit(m, device, i):
                tell(out, b"device %lu slot %lu: the byte is 0x%lx, its last digit is 0", device, i, slot_byte(m, slot), 0)


cdef bint ends_in_a_digit(layout_t *m, uint32_t device, uint64_t offset) noexcept nogil:
    """Whether the digit that says that none follows is not 0, and there is one."""
    cdef uint32_t page = 0 if m.geo.cont_pages == 0 else m.cont_heads[device * m.map_pages_per_device + offset // MAP_PAGE_SLOTS]
    cdef uint8_t digit
    cdef uint64_t walked = 0
    while 0 < page <= m.geo.cont_pages and walked < m.geo.cont_pages:
        digit = cont_page_of(m, page)[offset % m.cont_page_slots]
        if not digit & COUNT_CONTINUED:
            return digit != 0
        page = m.cont_next[page]
        walked += 1
    return False
