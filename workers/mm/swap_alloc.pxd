"""Allocation of slots from clusters (kernel: mm/swapfile.c, swap_alloc_fast, swap_alloc_slow, 6.15 to 7.0)."""
from libc.stdint cimport uint32_t, uint64_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef swp_entry_t swap_alloc_entry(Cpu cpu, Protocol p, uint32_t pfn, uint32_t order) noexcept nogil
