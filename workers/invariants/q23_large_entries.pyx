"""Q23. A large entry of a file goes as a whole: where one of its words says otherwise, slots go that are somebody else's, or
some of its own stay for ever."""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t, mapping_of
from shm.shmem cimport nth_entry, radix_order, radix_to_swp_entry, word_is_swap
from shm.swp_entry cimport swp_offset
from workers.invariants.law cimport Law, finding_t, tell


cdef void look(layout_t *m, uint32_t inode, uint64_t page, uint64_t nr, finding_t *out) noexcept nogil:
    """One entry of `nr` words, from its first page on."""
    cdef uint64_t *words = mapping_of(m, inode)
    cdef uint64_t i
    for i in range(page, page + nr):
        if words[i] != nth_entry(words[page], <uint32_t>(i - page)):
            tell(out, b"file %lu page %lu: word 0x%lx, in an entry that begins with 0x%lx", inode, i, words[i], words[page])


cdef class LargeEntries(Law):
    """A swap entry of a file of order n is 2^n words from a multiple of their number on, of that order, whose slots are in a
    row, from a multiple of their number on too."""

    def __cinit__(self):
        self.id = "Q23"
        self.points = ("Q",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t inode
        cdef uint64_t page, nr, word
        for inode in range(<uint32_t>m.geo.inodes):
            page = 0
            while page < m.geo.inode_pages:
                word = mapping_of(m, inode)[page]
                nr = <uint64_t>1 << radix_order(word) if word_is_swap(word) else 1
                if page % nr or page + nr > m.geo.inode_pages or swp_offset(radix_to_swp_entry(word)) % nr:
                    tell(out, b"file %lu page %lu: word 0x%lx of order %lu, which does not begin there", inode, page, word,
                         radix_order(word))
                    nr = 1
                look(m, inode, page, nr, out)
                page += nr
