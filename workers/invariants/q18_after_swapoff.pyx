"""Q18. After swapoff nothing may remember the device: the next swapon would take it for its own."""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport SWAP_NR_ORDERS
from shm.layout cimport cluster_of, layout_t, mapping_of, percpu_of, ptes_of
from shm.mm cimport MM_UNUSED, is_swap_pte, pte_to_swp_entry
from shm.shmem cimport radix_to_swp_entry, word_is_swap
from shm.swapfile cimport SWP_USED, swap_usage_in_pages
from shm.swp_entry cimport swp_offset, swp_type
from workers.invariants.law cimport Law, finding_t, tell


cdef void look_at_tables(layout_t *m, uint32_t device, finding_t *out) noexcept nogil:
    cdef uint64_t i
    for i in range(m.clusters_per_device):
        if cluster_of(m, device, i).table != 0:
            tell(out, b"device %lu is off, cluster %lu has table %lu", device, i, cluster_of(m, device, i).table - 1, 0)


cdef void look_at_users(layout_t *m, uint32_t device, finding_t *out) noexcept nogil:
    cdef uint32_t mm, order
    cdef uint64_t i, next
    for mm in range(<uint32_t>m.geo.mms):
        if m.mms[mm].state != MM_UNUSED:
            for i in range(m.geo.pages):
                if is_swap_pte(ptes_of(m, mm)[i]) and swp_type(pte_to_swp_entry(ptes_of(m, mm)[i])) == device:
                    tell(out, b"device %lu is off, mm %lu page %lu has PTE 0x%lx", device, mm, i, ptes_of(m, mm)[i])
    for i in range(1, m.geo.folios):
        if m.folios[i].refcount != 0 and m.folios[i].swap != 0 and swp_type(m.folios[i].swap) == device:
            tell(out, b"device %lu is off, folio %lu has folio->swap 0x%lx", device, i, m.folios[i].swap, 0)
    for mm in range(<uint32_t>m.geo.inodes):
        for i in range(m.geo.inode_pages):
            if word_is_swap(mapping_of(m, mm)[i]) and swp_type(radix_to_swp_entry(mapping_of(m, mm)[i])) == device:
                tell(out, b"device %lu is off, file %lu page %lu has word 0x%lx", device, mm, i, mapping_of(m, mm)[i])
    for i in range(m.geo.slots):
        if m.swap_cgroup[device * m.geo.slots + i] != 0:
            tell(out, b"device %lu is off, slot %lu has id %lu", device, i, m.swap_cgroup[device * m.geo.slots + i], 0)
    for i in range(m.geo.cpus):
        for order in range(SWAP_NR_ORDERS):
            next = percpu_of(m, <uint32_t>i).cluster_next[order]
            if next != 0 and swp_type(next) == device:
                tell(out, b"device %lu is off, and CPU %lu goes on at slot %lu of it, order %lu", device, i,
                     swp_offset(next), order)


cdef class AfterSwapoff(Law):
    """A device that is off has no used slot, and no PTE, file, folio, cgroup id, table or current cluster refers to it."""

    def __cinit__(self):
        self.id = "Q18"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device
        for device in range(<uint32_t>m.geo.devices):
            if m.si[device].flags & SWP_USED:
                continue
            if swap_usage_in_pages(&m.si[device]) != 0:
                tell(out, b"device %lu is off, its inuse_pages %ld", device,
                     <uint64_t>swap_usage_in_pages(&m.si[device]), 0, 0)
            look_at_tables(m, device, out)
            look_at_users(m, device, out)
