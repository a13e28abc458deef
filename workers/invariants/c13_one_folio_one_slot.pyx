"""C13. Two slots with one folio, or two folios for one slot, and somebody reads what another one wrote."""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport folio_t
from shm.layout cimport cluster_of, layout_t
from shm.swap_table cimport swp_tb_is_folio, swp_tb_to_pfn
from shm.swp_entry cimport swp_entry
from shm.vmstat cimport WARN_ADD_CACHED, WARN_DEL_FOREIGN
from workers.invariants.law cimport (
    ClusterLaw, cached_at, finding_t, first_of, last_of, nr_pages, tell, words_of,
)

from workers.invariants.law import TABLE_UNDER_CLUSTER_LOCK


cdef enum:
    SWP_TB_COUNT_BITS = 4  # on top of a word: each slot's own


cdef class OneFolioOneSlot(ClusterLaw):
    """A folio in the table lies at the slots from the one that its folio->swap names, a page each, at no other, and nobody
    puts or removes another one's."""

    def __cinit__(self):
        self.id = "C13"
        self.plain = True
        self.points = ("C",)
        self.cluster_protocols = TABLE_UNDER_CLUSTER_LOCK
        self.noticed[WARN_ADD_CACHED] = b"CPU %lu put a folio where another one was: entry 0x%lx (0x%lx, 0x%lx)"
        self.noticed[WARN_DEL_FOREIGN] = b"CPU %lu removed a folio not its own: entry 0x%lx (0x%lx, 0x%lx)"

    cdef void on_cluster(self, layout_t *m, uint32_t device, uint64_t cluster, finding_t *out) noexcept nogil:
        cdef uint64_t *words = words_of(m, cluster_of(m, device, cluster))
        cdef uint64_t i, first = first_of(m, cluster)
        cdef folio_t *folio
        if words == NULL:
            return
        for i in range(first, last_of(m, cluster)):
            if not swp_tb_is_folio(words[i - first]):
                continue
            folio = cached_at(m, words[i - first])
            if folio == NULL:
                tell(out, b"device %lu slot %lu: no folio has PFN %lu", device, i, words[i - first] >> 2, 0)
            elif swp_entry(device, i) - folio.swap >= nr_pages(m, folio):
                tell(out, b"device %lu slot %lu: folio %lu lies there, its folio->swap is 0x%lx", device, i,
                     swp_tb_to_pfn(words[i - first]), folio.swap)
            elif i + 1 < last_of(m, cluster) and swp_entry(device, i + 1) - folio.swap < nr_pages(m, folio) and (
                    words[i - first] << SWP_TB_COUNT_BITS != words[i + 1 - first] << SWP_TB_COUNT_BITS):
                tell(out, b"device %lu slot %lu: the table word is 0x%lx, its folio's slot before has 0x%lx", device, i + 1,
                     words[i + 1 - first], words[i - first])
