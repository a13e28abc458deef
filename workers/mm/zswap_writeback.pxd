"""Entries of zswap go to the device (kernel: mm/zswap.c: zswap_writeback_entry, shrink_memcg_cb, shrink_worker)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef uint32_t zswap_shrink_memcg(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil
cdef uint32_t zswap_shrink_tree(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil
cdef void zswap_shrinker_scan(Cpu cpu, Protocol p, uint32_t memcg, uint32_t priority) noexcept nogil
cdef void zswap_shrink_worker(Cpu cpu, Protocol p) noexcept nogil
