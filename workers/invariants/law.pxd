"""What a law is, and how it looks at memory.

`at_rest` looks at a whole segment whose CPUs are parked outside any operation; `on_cluster`, `on_folio` and `on_page` look
at one cluster, folio or page-table entry just before its lock is released; `noticed` says which warnings of the steps
themselves break the law. Looks are bounded: an index that memory holds is checked before it is followed, for what a law
looks at may be broken.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from shm.cluster cimport swap_cluster_info
from shm.folio cimport folio_nr_pages, folio_t
from shm.layout cimport cluster_at, cluster_of, layout_t, place_in_cluster, table_of
from shm.swap_table cimport SWP_TB_NULL, swp_tb_is_folio, swp_tb_to_pfn
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport NR_WARNINGS
from shm.zone cimport MAX_FOLIO_ORDER

cdef enum:
    FINDING_BYTES = 240
    SCRATCH_WORDS = 64

cdef enum:  # where a protocol is known to break a law that it keeps elsewhere
    ON_V1 = 1  # cgroup v1
    ON_SYNCHRONOUS = 2  # a synchronous device
    ON_LARGE_FOLIOS = 3  # orders above 0

cdef struct finding_t:
    uint64_t count  # how often the law did not hold
    uint64_t *total  # of all laws that are asked together
    char text[FINDING_BYTES]  # the first time: what was seen, and where

cdef extern from * nogil:
    """
    #ifndef SWAPRACE_LAW_H
    #define SWAPRACE_LAW_H
    #include <stdint.h>
    #include <stdio.h>
    /* Counts a breach; the first one keeps its words. All four values are 64 bits wide; a format may use fewer. */
    static inline void sr_tell(uint64_t *count, uint64_t *total, char *text, unsigned long bytes, const char *format,
                               uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
        ++*total;
        if ((*count)++ == 0)
            snprintf(text, bytes, format, a, b, c, d);
    }
    #define SR_TELL(out, format, a, b, c, d) \
        sr_tell(&(out)->count, (out)->total, (out)->text, sizeof((out)->text), format, a, b, c, d)
    #endif
    """
    void tell "SR_TELL"(
        finding_t *out, const char *format, uint64_t a, uint64_t b, uint64_t c, uint64_t d
    ) noexcept

cdef class Law:
    cdef readonly str id
    cdef readonly tuple points
    cdef readonly tuple protocols
    cdef readonly tuple cluster_protocols
    cdef readonly tuple folio_protocols
    cdef readonly tuple page_protocols
    cdef readonly dict known_broken  # protocol -> its museum number, and why
    cdef readonly bint plain  # holds of every cluster, folio that is plain (plain.pxd), also at rest
    cdef readonly dict unless  # protocol -> where alone it is known to break the law: ON_*
    cdef const char *noticed[NR_WARNINGS]  # what a warning of a step says of this law; NULL: nothing

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil
    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil
    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil
    cdef void folio_at_rest(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil
    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil
    cdef void on_warning(self, layout_t *m, int warning, finding_t *out) noexcept nogil

cdef class ClusterLaw(Law):
    pass

cdef class FolioLaw(Law):
    pass

cdef class PageLaw(Law):
    pass

cdef class StepLaw(Law):
    pass

cdef struct scratch_t:  # memory for one look: its own where that suffices, which it does on a small machine
    uint64_t words[SCRATCH_WORDS]
    void *more

cdef void tell_warnings(layout_t *m, int warning, const char *format, finding_t *out) noexcept nogil
cdef uint8_t *free_folios(layout_t *m, scratch_t *s) noexcept nogil
cdef bint all_exited(layout_t *m) noexcept nogil
cdef char *slot_copy(layout_t *m, swp_entry_t entry) noexcept nogil

cdef inline void *zeroed(scratch_t *s, uint64_t bytes) noexcept nogil:
    """So many bytes of zeroes, until `give_back`; NULL: there is no memory."""
    s.more = NULL
    if bytes <= sizeof(s.words):
        return memset(s.words, 0, bytes)
    s.more = calloc(1, bytes)
    return s.more

cdef inline void give_back(scratch_t *s) noexcept nogil:
    if s.more != NULL:
        free(s.more)

# the slots of a cluster: from first_of up to last_of, offsets within the device; what lies beyond the end is left out
cdef inline uint64_t first_of(layout_t *m, uint64_t cluster) noexcept nogil:
    return cluster * m.geo.cluster_slots

cdef inline uint64_t last_of(layout_t *m, uint64_t cluster) noexcept nogil:
    cdef uint64_t last = (cluster + 1) * m.geo.cluster_slots
    return last if last < m.geo.slots else m.geo.slots

cdef inline uint64_t bad_slots(layout_t *m, uint64_t cluster) noexcept nogil:
    """The header slot, and what lies beyond the end of the device."""
    return (1 if cluster == 0 else 0) + m.geo.cluster_slots - (last_of(m, cluster) - first_of(m, cluster))

cdef inline uint64_t *words_of(layout_t *m, swap_cluster_info *ci) noexcept nogil:
    """The swap table of a cluster; NULL where it has none that lies in the segment."""
    return table_of(m, ci.table) if 0 < ci.table <= m.geo.tables else NULL

cdef inline uint64_t word_at(layout_t *m, uint32_t device, uint64_t offset) noexcept nogil:
    """The table word of a slot that exists; null where its cluster has no table."""
    cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster_at(m, offset)))
    return words[place_in_cluster(m, offset)] if words != NULL else SWP_TB_NULL

cdef inline uint64_t first_slot(layout_t *m, uint32_t device) noexcept nogil:
    """Where the slots of a device begin in the arrays over all devices."""
    return device * m.geo.slots

cdef inline uint64_t parent_of(layout_t *m, uint64_t memcg) noexcept nogil:
    """The memcg above, 0: none. A parent has the lesser number, or the segment is broken."""
    return m.memcgs[memcg].parent if m.memcgs[memcg].parent < memcg else 0

cdef inline bint entry_exists(layout_t *m, swp_entry_t entry) noexcept nogil:
    """Whether an entry names a slot of this segment."""
    return entry != 0 and swp_type(entry) < m.geo.devices and swp_offset(entry) < m.geo.slots

cdef inline uint64_t slot_of(layout_t *m, swp_entry_t entry) noexcept nogil:
    """Where an entry that exists lies in the arrays over all devices."""
    return swp_type(entry) * m.geo.slots + swp_offset(entry)

cdef inline folio_t *folio_at(layout_t *m, uint64_t page) noexcept nogil:
    """The folio that a page of this segment belongs to: itself where its head does not reach it."""
    cdef uint64_t head = m.folios[page].head
    if 0 < head < page and m.folios[head].order <= MAX_FOLIO_ORDER and page - head < folio_nr_pages(&m.folios[head]):
        return &m.folios[head]
    return &m.folios[page]

cdef inline uint64_t nr_pages(layout_t *m, folio_t *folio) noexcept nogil:
    """Pages of a folio, no more than there are."""
    return folio_nr_pages(folio) if folio.order <= MAX_FOLIO_ORDER else 1

cdef inline folio_t *cached_at(layout_t *m, uint64_t word) noexcept nogil:
    """The folio that a table word names; NULL when it names none of this segment."""
    if not swp_tb_is_folio(word) or not 0 < swp_tb_to_pfn(word) < m.geo.folios:
        return NULL
    return &m.folios[swp_tb_to_pfn(word)]
