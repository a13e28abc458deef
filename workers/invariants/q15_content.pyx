"""Q15. The oracle: whatever the protocols did, a program reads what it stored last.

`expected` holds the stamp of the last store of each page of each mm. The page itself lies in a mapped folio, in the
folio of the swap cache when that is uptodate, or else in the block of its slot. One that was given up by MADV_FREE may be
gone, one that was moved has the identity of its first address. Of one whose PTE, or word, says that it is lost nothing is
expected: its slot could not be read, and F6 sees to it that a read has failed.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_UPTODATE, folio_t
from shm.layout cimport expected_of, file_page, layout_t, mapping_of, payload_of, ptes_of, shmem_expected_of
from shm.mm cimport (
    expected_freed, expected_moved, expected_stamp, is_migration_pte, is_poisoned_pte, is_swap_pte, pte_pfn, pte_present,
    pte_to_swp_entry,
)
from shm.shmem cimport radix_to_swp_entry, shmem_identity, word_is_folio, word_is_swap, word_to_pfn
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport WARN_STALE_LOAD
from workers.invariants.law cimport PageLaw, cached_at, entry_exists, finding_t, nr_pages, slot_copy, tell, word_at
from workers.mm.content cimport content_identity, content_intact, content_stamp


cdef char *swapped_copy(layout_t *m, swp_entry_t entry) noexcept nogil:
    """The authoritative copy of a slot that exists; NULL when there is none."""
    cdef folio_t *folio = cached_at(m, word_at(m, swp_type(entry), swp_offset(entry)))
    if folio != NULL and folio.flags & PG_UPTODATE:
        return payload_of(m, <uint32_t>(folio - m.folios) + <uint32_t>(entry & (nr_pages(m, folio) - 1)))
    return slot_copy(m, entry)


cdef void look(layout_t *m, uint32_t mm, uint64_t page, uint64_t pte, finding_t *out) noexcept nogil:
    cdef char *copy = NULL
    cdef uint64_t expected = expected_of(m, mm)[page]
    cdef uint64_t stamp = expected_stamp(expected)
    if pte_present(pte) or is_migration_pte(pte):
        if not 0 < pte_pfn(pte) < m.geo.folios:
            return  # Q7 tells it
        copy = payload_of(m, pte_pfn(pte))
    elif is_swap_pte(pte):
        if not entry_exists(m, pte_to_swp_entry(pte)):
            return  # P1 tells it
        copy = swapped_copy(m, pte_to_swp_entry(pte))
    elif stamp == 0 or expected_freed(expected) or is_poisoned_pte(pte):
        return
    if copy == NULL:
        tell(out, b"mm %lu page %lu is lost: PTE 0x%lx, and no copy of stamp 0x%lx", mm, page, pte, stamp)
    elif content_stamp(copy) != stamp and not (expected_freed(expected) and content_stamp(copy) == 0):
        tell(out, b"mm %lu page %lu: the stamp is 0x%lx, the last store 0x%lx", mm, page, content_stamp(copy), stamp)
    elif not content_intact(copy, m.geo.payload_bytes) or (
            content_stamp(copy) and <uint32_t>content_identity(copy) != page and not expected_moved(expected)):
        tell(out, b"mm %lu page %lu: the content is torn, or of page 0x%lx", mm, page, content_identity(copy), 0)


cdef void look_at_file(layout_t *m, uint32_t inode, uint64_t page, uint64_t word, finding_t *out) noexcept nogil:
    """One page of a file; of one that was lost nothing is expected. What nobody has written of a large folio is nobody's zeroes."""
    cdef char *copy = NULL
    cdef uint64_t stamp = shmem_expected_of(m, inode)[page]
    if word_is_folio(word):
        if word_to_pfn(word) >= m.geo.folios:
            return  # Q21 tells it
        copy = payload_of(m, file_page(m, word, page))
    elif word_is_swap(word):
        copy = swapped_copy(m, radix_to_swp_entry(word)) if entry_exists(m, radix_to_swp_entry(word)) else NULL
    elif word != 0 or stamp == 0:
        return
    if copy == NULL:
        tell(out, b"file %lu page %lu is lost: word 0x%lx, and no copy of stamp 0x%lx", inode, page, word, stamp)
    elif content_stamp(copy) != stamp:
        tell(out, b"file %lu page %lu: the stamp is 0x%lx, the last write 0x%lx", inode, page, content_stamp(copy), stamp)
    elif not content_intact(copy, m.geo.payload_bytes) or (
            content_identity(copy) != shmem_identity(inode, <uint32_t>page) and (stamp or m.geo.shmem_orders == 0)):
        tell(out, b"file %lu page %lu: the content is torn, or of page 0x%lx", inode, page, content_identity(copy), 0)


cdef class Content(PageLaw):
    """Every page of every address space and of every file holds, wherever it lies, what was stored there last."""

    def __cinit__(self):
        self.id = "Q15"
        self.points = ("P", "Q", "T")
        self.noticed[WARN_STALE_LOAD] = b"CPU %lu loaded what was not stored last: 0x%lx (0x%lx, 0x%lx)"

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        look(m, mm, page, ptes_of(m, mm)[page], out)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t inode
        cdef uint64_t page
        PageLaw.at_rest(self, m, out)
        for inode in range(<uint32_t>m.geo.inodes):
            for page in range(m.geo.inode_pages):
                look_at_file(m, inode, page, mapping_of(m, inode)[page], out)
