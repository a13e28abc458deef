"""Q7. A page with a reference too few is freed while somebody reads it; with one too many it never comes back."""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from shm.folio cimport PG_SWAPCACHE, folio_t
from shm.layout cimport layout_t, mapping_of, ptes_of
from shm.mm cimport MM_UNUSED, pte_pfn, pte_present
from shm.shmem cimport word_is_folio, word_to_pfn
from shm.vmstat cimport WARN_REFCOUNT
from workers.invariants.law cimport Law, finding_t, folio_at, free_folios, give_back, nr_pages, scratch_t, tell, zeroed


cdef void count_mappings(layout_t *m, int32_t *mapped, finding_t *out) noexcept nogil:
    cdef uint32_t mm, pfn
    cdef uint64_t page
    cdef uint64_t *ptes
    for mm in range(<uint32_t>m.geo.mms):
        if m.mms[mm].state == MM_UNUSED:
            continue
        ptes = ptes_of(m, mm)
        for page in range(m.geo.pages):
            if not pte_present(ptes[page]):
                continue
            pfn = pte_pfn(ptes[page])
            if 0 < pfn < m.geo.folios:
                mapped[folio_at(m, pfn) - m.folios] += 1
            else:
                tell(out, b"mm %lu page %lu: PTE 0x%lx maps no folio", mm, page, ptes[page], 0)


cdef void count_files(layout_t *m, int32_t *filed) noexcept nogil:
    """Words of files that name each folio."""
    cdef uint32_t inode
    cdef uint64_t page, word
    for inode in range(<uint32_t>m.geo.inodes):
        for page in range(m.geo.inode_pages):
            word = mapping_of(m, inode)[page]
            if word_is_folio(word) and word_to_pfn(word) < m.geo.folios:
                filed[word_to_pfn(word)] += 1


cdef void look(layout_t *m, uint32_t pfn, uint8_t times_free, int32_t mapped, int32_t filed, finding_t *out) noexcept nogil:
    cdef folio_t *folio = &m.folios[pfn]
    cdef int32_t due = mapped + filed + (<int32_t>nr_pages(m, folio) if folio.flags & PG_SWAPCACHE else 0)
    if times_free > 1:
        tell(out, b"folio %lu is free twice", pfn, 0, 0, 0)
    elif not times_free and folio_at(m, pfn) != folio:
        if folio.refcount != 0 or folio.mapcount != 0 or folio_at(m, pfn).refcount == 0:
            tell(out, b"page %lu belongs to folio %lu, and has a refcount of %lu of its own", pfn, folio.head,
                 <uint32_t>folio.refcount, 0)
    elif times_free and (folio.refcount != 0 or due != 0):
        tell(out, b"folio %lu is free with %lu references, %lu are due to PTEs, files and the swap cache", pfn,
             <uint32_t>folio.refcount, due, 0)
    elif not times_free and (folio.refcount != due or folio.mapcount != mapped):
        tell(out, b"folio %lu has refcount %lu and mapcount %lu; %lu PTEs map it", pfn, <uint32_t>folio.refcount,
             <uint32_t>folio.mapcount, mapped)
    elif not times_free and due == 0:
        tell(out, b"folio %lu is lost: nobody holds it, and it is on no free stack", pfn, 0, 0, 0)


cdef class FolioReferences(Law):
    """The references of a folio are those of the PTEs that map its pages, of the file that holds it and, a page each, of the
    swap cache; a page that belongs to no folio with references is free."""

    def __cinit__(self):
        self.id = "Q7"
        self.points = ("Q",)
        self.noticed[WARN_REFCOUNT] = b"CPU %lu dropped a reference nobody had: entry 0x%lx, folio %lu (0x%lx)"

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef scratch_t stacks, counts
        cdef uint8_t *times_free = free_folios(m, &stacks)
        cdef int32_t *mapped = <int32_t *>zeroed(&counts, 2 * m.geo.folios * sizeof(int32_t))
        cdef int32_t *filed = mapped + m.geo.folios
        cdef uint32_t pfn
        if times_free == NULL or mapped == NULL:
            tell(out, b"not looked at: no memory for %lu counts", m.geo.folios, 0, 0, 0)
        else:
            count_mappings(m, mapped, out)
            count_files(m, filed)
            for pfn in range(1, <uint32_t>m.geo.folios):
                look(m, pfn, times_free[pfn], mapped[pfn], filed[pfn], out)
        give_back(&stacks)
        give_back(&counts)
