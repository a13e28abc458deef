"""Reclaim and swap-out (kernel: mm/vmscan.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef uint32_t shrink_folio_list(Cpu cpu, Protocol p, uint32_t *batch, uint32_t n, bint ignore_references) noexcept nogil
cdef uint32_t try_to_free_pages(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil
cdef uint32_t memory_reclaim(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil
