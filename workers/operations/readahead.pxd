"""Readahead of a swap-in (kernel: mm/swap_state.c, swapin_readahead, swap_vma_readahead, swap_cluster_readahead)."""
from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol, vm_fault

cdef uint32_t read_slot(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint ahead, bint *fresh) noexcept nogil
cdef uint32_t swapin_readahead(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil
cdef uint32_t swap_cluster_readahead(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil
cdef void swap_update_readahead(Cpu cpu, vm_fault *vmf) noexcept nogil
cdef void readahead_hit(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
