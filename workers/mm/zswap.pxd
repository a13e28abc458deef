"""Pages kept in memory in place of their slots: in at swap-out, out at swap-in (kernel: mm/zswap.c)."""
from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu

cdef bint zswap_store(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef int zswap_load(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
