"""The laws asked at one place, in an array that compiled code walks without the GIL, and what each has found."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from shm.layout cimport layout_t
from shm.swapfile cimport SWP_SYNCHRONOUS_IO
from shm.vmstat cimport NR_WARNINGS
from workers.invariants.law cimport ON_LARGE_FOLIOS, ON_SYNCHRONOUS, ON_V1, FolioLaw, Law, finding_t
from workers.invariants.plain cimport is_plain_cluster, is_plain_folio


cdef bint is_excused(layout_t *m, int unless) noexcept nogil:
    """Whether it is known that the law does not hold here."""
    cdef uint32_t device
    if unless == ON_V1:
        return m.control.memcg_version == 1
    if unless == ON_LARGE_FOLIOS:
        return m.geo.anon_orders != 0
    if unless == ON_SYNCHRONOUS:
        for device in range(<uint32_t>m.geo.devices):
            if m.si[device].flags & SWP_SYNCHRONOUS_IO:
                return True
    return False


cdef bint all_plain(layout_t *m) noexcept nogil:
    """Whether all clusters are."""
    cdef uint32_t device
    cdef uint64_t cluster
    for device in range(<uint32_t>m.geo.devices):
        for cluster in range(m.clusters_per_device):
            if not is_plain_cluster(m, device, cluster):
                return False
    return True


@cython.final
cdef class Chain:
    """The laws asked at one place, in an array: compiled code may call through it without the GIL."""

    def __init__(self, laws, protocol=None, glance=True) -> None:
        """`laws` as `protocol` is asked for them; None: without exception. Without `glance` each is asked in any case."""
        always = [law for law in laws if not law.plain or not glance]
        left_out = [law for law in laws if law.plain and glance]
        of_clusters = [law for law in left_out if not isinstance(law, FolioLaw)]
        self.laws = always + of_clusters + [law for law in left_out if isinstance(law, FolioLaw)]
        self.nr_always = len(always)
        self.nr_clusters = self.nr_always + len(of_clusters)
        self.nr = len(self.laws)
        self.law = <void **>calloc(self.nr + 1, sizeof(void *))
        self.findings = <finding_t *>calloc(self.nr + 1, sizeof(finding_t))
        self.unless = <int *>calloc(self.nr + 1, sizeof(int))
        if self.law == NULL or self.findings == NULL or self.unless == NULL:
            raise MemoryError("no memory for what the laws find")
        for i in range(self.nr):
            self.law[i] = <void *>self.laws[i]
            self.unless[i] = self.laws[i].unless.get(protocol, 0)
        self.forget()

    def __dealloc__(self):
        free(self.law)
        free(self.findings)
        free(self.unless)

    cdef bint at_rest(self, layout_t *m) noexcept nogil:
        cdef uint64_t before = self.total
        cdef int i
        for i in range(self.nr_always if all_plain(m) else self.nr_clusters):
            if self.unless[i] == 0 or not is_excused(m, self.unless[i]):
                (<Law>self.law[i]).at_rest(m, &self.findings[i])
        if self.nr > self.nr_clusters:
            self.folios_at_rest(m)
        return self.total != before

    cdef void folios_at_rest(self, layout_t *m) noexcept nogil:
        """The laws that hold of plain folios, of all others."""
        cdef uint32_t pfn
        cdef int i
        for pfn in range(1, <uint32_t>m.geo.folios):
            if is_plain_folio(&m.folios[pfn]):
                continue
            for i in range(self.nr_clusters, self.nr):
                if self.unless[i] == 0 or not is_excused(m, self.unless[i]):
                    (<Law>self.law[i]).folio_at_rest(m, pfn, &self.findings[i])

    cdef bint has_excused(self, layout_t *m) noexcept nogil:
        """Whether `where_excused` looks at anything."""
        cdef int i
        for i in range(self.nr):
            if self.unless[i] == 0 or is_excused(m, self.unless[i]):
                return True
        return False

    cdef void where_excused(self, layout_t *m) noexcept nogil:
        """At rest, and what steps have warned of: only laws that are known not to hold here."""
        cdef int i, warning
        for i in range(self.nr):
            if self.unless[i] == 0 or is_excused(m, self.unless[i]):
                (<Law>self.law[i]).at_rest(m, &self.findings[i])
                for warning in range(NR_WARNINGS):
                    (<Law>self.law[i]).on_warning(m, warning, &self.findings[i])

    cdef bint on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        cdef uint64_t before = self.total
        cdef int i
        for i in range(self.nr_always if is_plain_cluster(m, device, cluster) else self.nr):
            (<Law>self.law[i]).on_cluster(m, device, cluster, &self.findings[i])
        return self.total != before

    cdef bint on_folio(self, layout_t *m, uint32_t pfn) noexcept nogil:
        cdef uint64_t before = self.total
        cdef int i
        for i in range(self.nr_always if is_plain_folio(&m.folios[pfn]) else self.nr):
            (<Law>self.law[i]).on_folio(m, pfn, &self.findings[i])
        return self.total != before

    cdef bint on_pages(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        cdef uint64_t before = self.total, page
        cdef int i
        for page in range(first, end):
            for i in range(self.nr):
                (<Law>self.law[i]).on_page(m, mm, page, &self.findings[i])
        return self.total != before

    cdef bint on_warning(self, layout_t *m, int warning) noexcept nogil:
        cdef uint64_t before = self.total
        cdef int i
        for i in range(self.nr):
            if not is_excused(m, self.unless[i]):
                (<Law>self.law[i]).on_warning(m, warning, &self.findings[i])
        return self.total != before

    def told(self) -> list[dict]:
        """Laws found broken, one dict each: law, sentence, detail of the first breach, count."""
        return [
            {
                "law": self.laws[i].id,
                "sentence": self.laws[i].sentence,
                "detail": self.findings[i].text.decode("utf-8", "replace"),
                "count": self.findings[i].count,
            }
            for i in range(self.nr) if self.findings[i].count
        ]

    def forget(self) -> None:
        """As if nothing had been found."""
        memset(self.findings, 0, self.nr * sizeof(finding_t))
        for i in range(self.nr):
            self.findings[i].total = &self.total
        self.total = 0
