"""Q21. A file with a count of swapped pages too high keeps swapoff looking for pages that are not there; too low, and its
pages are never looked for."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.layout cimport layout_t, mapping_of
from shm.shmem cimport word_is_folio, word_is_swap, word_to_pfn
from workers.invariants.law cimport Law, finding_t, nr_pages, tell


cdef class FileCounts(Law):
    """nrpages of a file is the number of pages that folios have in its mapping, all of which name that file and reach that page,
    swapped that of its pages in slots."""

    def __cinit__(self):
        self.id = "Q21"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t i, folios
        cdef int32_t swapped
        cdef uint64_t page, word
        for i in range(<uint32_t>m.geo.inodes):
            folios = swapped = 0
            for page in range(m.geo.inode_pages):
                word = mapping_of(m, i)[page]
                swapped += word_is_swap(word)
                if not word_is_folio(word):
                    continue
                folios += 1
                if word_to_pfn(word) >= m.geo.folios:
                    tell(out, b"file %lu page %lu: word 0x%lx names no folio", i, page, word, 0)
                elif m.folios[word_to_pfn(word)].mapping != i + 1 or (
                        page - m.folios[word_to_pfn(word)].index >= nr_pages(m, &m.folios[word_to_pfn(word)])):
                    tell(out, b"file %lu page %lu: its folio %lu is of mapping %lu", i, page, word_to_pfn(word),
                         m.folios[word_to_pfn(word)].mapping)
            if m.inodes[i].nrpages != folios or m.inodes[i].swapped != swapped:
                tell(out, b"file %lu: nrpages %lu and swapped %ld; folios have %lu pages of its mapping, the rest is in swap",
                     i, m.inodes[i].nrpages, <uint64_t>m.inodes[i].swapped, folios)
