"""F11. Whoever looks a page of a file up goes by the mapping, whoever reclaims or truncates it by the folio: where they differ a
page has two places, or none."""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_SWAPCACHE, PG_WRITEBACK, folio_t
from shm.layout cimport layout_t, mapping_of
from shm.shmem cimport MAPPING_NONE, folio_to_word
from workers.invariants.law cimport FolioLaw, finding_t, nr_pages, tell


cdef class PageCache(FolioLaw):
    """A folio in the page cache of a file is at the pages that it names, which begin at a multiple of their number, has a reference,
    and is neither in the swap cache nor under writeback."""

    def __cinit__(self):
        self.id = "F11"

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        cdef folio_t *folio = &m.folios[pfn]
        cdef uint64_t page, nr = nr_pages(m, folio)
        if folio.mapping == 0 or folio.mapping == MAPPING_NONE or folio.refcount <= 0:
            return
        if folio.mapping > m.geo.inodes or folio.index % nr or folio.index + nr > m.geo.inode_pages:
            tell(out, b"folio %lu of %lu pages says that it is page %lu of file %lu, which is not there", pfn, nr, folio.index,
                 folio.mapping - 1)
            return
        for page in range(folio.index, folio.index + nr):
            if mapping_of(m, folio.mapping - 1)[page] != folio_to_word(pfn):
                tell(out, b"folio %lu says that it is page %lu of file %lu, whose word is 0x%lx", pfn, page,
                     folio.mapping - 1, mapping_of(m, folio.mapping - 1)[page])
        if folio.flags & (PG_SWAPCACHE | PG_WRITEBACK):
            tell(out, b"folio %lu is page %lu of file %lu, its flags are 0x%lx", pfn, folio.index, folio.mapping - 1,
                 folio.flags)
