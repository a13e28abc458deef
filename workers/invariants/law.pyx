"""The base of all laws, and what several of them look at."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from shm.layout cimport block_of, layout_t, percpu_of, zswap_page_of
from shm.mm cimport MM_UNUSED
from shm.slots cimport slot_in_zswap, slot_is_zero
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.vmstat cimport warn_t
from shm.zone cimport NR_PAGE_ORDERS

from shm.records import WARNINGS
from workers.catalogue import PROTOCOLS

ALL = tuple(PROTOCOLS)
UNDER_I_PAGES = ("skip_cache", "has_cache")  # they change the words of the cache under i_pages locks
TABLE_UNDER_CLUSTER_LOCK = tuple(name for name in PROTOCOLS if name not in UNDER_I_PAGES)
HAS_MAP = tuple(name for name in PROTOCOLS if name != "swap_table_count")
HAS_BIT = tuple(name for name in HAS_MAP if name != "swap_table")  # SWAP_HAS_CACHE
SWAP_CACHE_DECIDES = ("swap_cache_as_posted", "swap_cache", "swap_table", "swap_table_count")  # who swaps in: its insertion


cdef char[4096] ZEROES  # the copy that a slot in the zero-filled map has


cdef class Law:
    """Abstract. A law sets its `id`, the `points` it is about, and which protocols must keep it where: `protocols` at rest,
    `cluster_protocols` whenever a cluster lock is released, `folio_protocols` a folio lock, `page_protocols` a page-table
    lock. `known_broken` are those of which it is known that they do not keep it, as in the kernel: nobody is asked to
    look there. Some of them break it under one condition (`unless`) and are asked where it does not hold."""

    def __cinit__(self):
        self.protocols = ALL
        self.cluster_protocols = self.folio_protocols = self.page_protocols = ()
        self.known_broken = {}
        self.unless = {}

    @property
    def sentence(self) -> str:
        """What must hold: the docstring of the law."""
        return " ".join(type(self).__doc__.split())

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of steps (shm.records.WARNINGS) that break it."""
        return tuple(name for number, name in enumerate(WARNINGS) if self.noticed[number] != NULL)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        pass

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        pass

    cdef void on_folio(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        pass

    cdef void folio_at_rest(self, layout_t *m, uint32_t pfn, finding_t *out) noexcept nogil:
        """Of a FolioLaw: what it says of one folio at rest."""
        self.on_folio(m, pfn, out)

    cdef void on_page(self, layout_t *m, uint32_t mm, uint64_t page, finding_t *out) noexcept nogil:
        pass

    cdef void on_warning(self, layout_t *m, int warning, finding_t *out) noexcept nogil:
        """Tell it where it breaks this law."""
        if self.noticed[warning] != NULL:
            tell_warnings(m, warning, self.noticed[warning], out)


cdef class ClusterLaw(Law):
    """Abstract. A law of one cluster: at rest it is looked at in every cluster of every device."""

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t device
        cdef uint64_t cluster
        for device in range(<uint32_t>m.geo.devices):
            for cluster in range(m.clusters_per_device):
                self.on_cluster(m, device, cluster, out)


cdef class FolioLaw(Law):
    """Abstract. A law of one folio, of every protocol: at rest it is looked at in all of them."""

    def __cinit__(self):
        self.points = ("F",)
        self.folio_protocols = ALL

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t pfn
        for pfn in range(1, <uint32_t>m.geo.folios):
            self.folio_at_rest(m, pfn, out)


cdef class PageLaw(Law):
    """Abstract. A law of one page-table entry, of every protocol: at rest it is looked at in all of all address spaces."""

    def __cinit__(self):
        self.points = ("P",)
        self.page_protocols = ALL

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        cdef uint32_t mm
        cdef uint64_t page
        for mm in range(<uint32_t>m.geo.mms):
            if m.mms[mm].state != MM_UNUSED:
                for page in range(m.geo.pages):
                    self.on_page(m, mm, page, out)


cdef class StepLaw(Law):
    """Abstract. A law of a transition, which the steps themselves look at: memory alone no longer shows what they saw."""

    def __cinit__(self):
        self.points = ("T",)


cdef void tell_warnings(layout_t *m, int warning, const char *format, finding_t *out) noexcept nogil:
    """A step of the run warned: `format` takes the CPU and the three words that the first such step kept."""
    cdef uint32_t cpu
    cdef warn_t *w
    for cpu in range(<uint32_t>m.geo.cpus):
        w = &percpu_of(m, cpu).warnings[warning]
        if w.count != 0:
            tell(out, format, cpu, w.a, w.b, w.c)
            out.count += w.count - 1


cdef uint8_t *free_folios(layout_t *m, scratch_t *s) noexcept nogil:
    """How often each page is free: on a CPU's stack, or in a block of the zone (2: twice or more, and the walk of that list
    ended there).

    In `s`, which the caller gives back; NULL without memory.
    """
    cdef uint8_t *times = <uint8_t *>zeroed(s, m.geo.folios)
    cdef uint32_t cpu, order
    cdef uint64_t pfn, i
    if times == NULL:
        return NULL
    for cpu in range(<uint32_t>m.geo.cpus):
        pfn = <uint32_t>percpu_of(m, cpu).free_head  # the tag against ABA stands above it
        while 0 < pfn < m.geo.folios:
            times[pfn] += 1
            if times[pfn] == 2:
                break
            pfn = m.folios[pfn].next_free
    for order in range(NR_PAGE_ORDERS):
        pfn = m.zone.free_area[order].head
        while pfn and pfn + (<uint64_t>1 << order) <= m.geo.folios and times[pfn] < 2:
            for i in range(pfn, pfn + (<uint64_t>1 << order)):
                times[i] += 1
            pfn = m.folios[pfn].lru_next
    return times


cdef char *slot_copy(layout_t *m, swp_entry_t entry) noexcept nogil:
    """What a read of a slot that exists would find below the swap cache; NULL: nothing."""
    cdef uint32_t handle = m.handles[slot_of(m, entry)], index = slot_in_zswap(m, slot_of(m, entry))
    if slot_is_zero(m, slot_of(m, entry)):
        return ZEROES
    if 0 < index <= m.geo.zswap_pages:
        return zswap_page_of(m, index)
    return block_of(m, swp_type(entry), handle) if 0 < handle <= m.geo.blocks else NULL


cdef bint all_exited(layout_t *m) noexcept nogil:
    cdef uint64_t i
    for i in range(m.geo.mms):
        if m.mms[i].state != MM_UNUSED:
            return False
    return True
