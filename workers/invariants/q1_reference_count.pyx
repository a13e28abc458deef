"""Q1. One count too few and the slot is freed under somebody's page; one too many and it is never free again."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, mapping_of, ptes_of
from shm.mm cimport MM_UNUSED, is_swap_pte, pte_to_swp_entry
from shm.shmem cimport radix_to_swp_entry, word_is_swap
from shm.slots cimport slot_count
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport WARN_COUNT_UNDERFLOW
from workers.invariants.law cimport Law, entry_exists, finding_t, give_back, scratch_t, slot_of, tell, zeroed


cdef void count_ptes(layout_t *m, uint32_t *refs) noexcept nogil:
    """Swap PTEs of each slot."""
    cdef uint32_t mm
    cdef uint64_t page
    cdef uint64_t *ptes
    cdef swp_entry_t entry
    for mm in range(<uint32_t>m.geo.mms):
        if m.mms[mm].state == MM_UNUSED:
            continue
        ptes = ptes_of(m, mm)
        for page in range(m.geo.pages):
            if is_swap_pte(ptes[page]):
                entry = pte_to_swp_entry(ptes[page])
                if entry_exists(m, entry):
                    refs[slot_of(m, entry)] += 1


cdef void count_files(layout_t *m, uint32_t *refs) noexcept nogil:
    """Pages of files that lie in each slot."""
    cdef uint32_t inode
    cdef uint64_t page, word
    for inode in range(<uint32_t>m.geo.inodes):
        for page in range(m.geo.inode_pages):
            word = mapping_of(m, inode)[page]
            if word_is_swap(word) and entry_exists(m, radix_to_swp_entry(word)):
                refs[slot_of(m, radix_to_swp_entry(word))] += 1


cdef class ReferenceCount(Law):
    """The count of a slot is the number of swap PTEs that name it, over all address spaces, and of pages of files that lie in
    it."""

    def __cinit__(self):
        self.id = "Q1"
        self.points = ("Q",)
        self.noticed[WARN_COUNT_UNDERFLOW] = b"CPU %lu dropped a count nobody had: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint64_t slots = m.geo.slots * m.geo.devices, i
        cdef scratch_t counts
        cdef uint32_t *refs = <uint32_t *>zeroed(&counts, slots * sizeof(uint32_t))
        if refs == NULL:
            tell(out, b"not looked at: no memory for %lu counts", slots, 0, 0, 0)
            return
        count_ptes(m, refs)
        count_files(m, refs)
        for i in range(slots):
            if slot_count(m, i) != refs[i]:
                tell(out, b"device %lu slot %lu: the count is %lu, %lu swap PTEs and pages of files name it", i // m.geo.slots,
                     i % m.geo.slots, slot_count(m, i), refs[i])
        give_back(&counts)
