"""The LRU lists of a memcg (kernel: include/linux/mm_inline.h, struct lruvec)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu

cdef enum:
    ISOLATE_BATCH = 32  # SWAP_CLUSTER_MAX

cdef void lru_add(Cpu cpu, uint32_t pfn, bint active) noexcept nogil
cdef void lru_add_tail(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void lru_del(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_deactivate(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_mark_lazyfree(Cpu cpu, uint32_t pfn) noexcept nogil
cdef bint folio_isolate_lru(Cpu cpu, uint32_t pfn) noexcept nogil
cdef uint32_t isolate_lru_folios(Cpu cpu, uint32_t memcg, uint32_t which, uint32_t *batch, uint32_t nr) noexcept nogil
