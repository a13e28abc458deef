"""Cluster readahead (kernel: mm/swap_state.c, swap_cluster_readahead)."""
from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef uint32_t swapin_readahead(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil
cdef void readahead_hit(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
