"""Q19. When the last process has gone, all it had comes back. The swap cache may keep folios nobody maps any more, and files
outlive all processes."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t, mapping_of, ptes_of
from shm.memcg cimport COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, page_counter
from shm.mm cimport MM_UNUSED
from shm.shmem cimport MAPPING_NONE, word_is_swap
from shm.slots cimport slot_count, slot_has_references
from workers.invariants.law cimport Law, all_exited, finding_t, folio_at, free_folios, give_back, nr_pages, scratch_t, tell


cdef int64_t swapped_files(layout_t *m) noexcept nogil:
    """Pages of files that lie in slots."""
    cdef int64_t n = 0
    cdef uint64_t i
    for i in range(m.geo.inodes * m.geo.inode_pages):
        n += word_is_swap(m.mappings[i])
    return n


cdef void look_at_slots(layout_t *m, int64_t cached, finding_t *out) noexcept nogil:
    cdef int64_t of_files = swapped_files(m)
    cdef uint64_t i
    cdef page_counter *counters
    cached += of_files
    for i in range(m.geo.slots * m.geo.devices):
        of_files -= slot_has_references(m, i)
        if of_files < 0 and slot_has_references(m, i):
            tell(out, b"all mms have exited, device %lu slot %lu has a count of %lu", i // m.geo.slots, i % m.geo.slots,
                 slot_count(m, i), 0)
    for i in range(m.geo.memcgs + 1):
        counters = m.memcgs[i].counters
        if counters[COUNTER_MEMORY].usage > cached or counters[COUNTER_MEMSW].usage > cached or (
                counters[COUNTER_SWAP].usage > cached):
            tell(out, b"all mms have exited, memcg %lu has memory %ld, memsw %ld, swap %ld", i,
                 <uint64_t>counters[COUNTER_MEMORY].usage, <uint64_t>counters[COUNTER_MEMSW].usage,
                 <uint64_t>counters[COUNTER_SWAP].usage)


cdef bint in_page_cache(folio_t *folio) noexcept nogil:
    """Whether a file has it."""
    return folio.refcount > 0 and folio.mapping != 0 and folio.mapping != MAPPING_NONE


cdef void look_at_memory(layout_t *m, finding_t *out) noexcept nogil:
    cdef scratch_t stacks
    cdef uint8_t *times_free = free_folios(m, &stacks)
    cdef int64_t cached = 0
    cdef uint64_t i
    if times_free == NULL:
        tell(out, b"not looked at: no memory for %lu counts", m.geo.folios, 0, 0, 0)
        return
    for i in range(1, m.geo.folios):
        if m.folios[i].flags & PG_SWAPCACHE or in_page_cache(&m.folios[i]):
            cached += <int64_t>nr_pages(m, &m.folios[i])
        elif not times_free[i] and folio_at(m, i) == &m.folios[i]:
            tell(out, b"all mms have exited, folio %lu is not free, its refcount %lu", i,
                 <uint32_t>m.folios[i].refcount, 0, 0)
    give_back(&stacks)
    look_at_slots(m, cached, out)


cdef class AfterExit(Law):
    """An mm that has exited has no PTE; when all have, no slot has a count, and no folio and no memcg charge is left
    but those of the swap cache and of files."""

    def __cinit__(self):
        self.id = "Q19"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t mm
        cdef uint64_t page
        for mm in range(<uint32_t>m.geo.mms):
            if m.mms[mm].state == MM_UNUSED:
                for page in range(m.geo.pages):
                    if ptes_of(m, mm)[page] != 0:
                        tell(out, b"mm %lu has exited, page %lu has PTE 0x%lx", mm, page, ptes_of(m, mm)[page], 0)
        if all_exited(m):
            look_at_memory(m, out)
