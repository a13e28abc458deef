"""The swap cache as memory: lookup without a lock, and what it is for a folio to be in it (kernel: mm/swap_state.c)."""
from libc.stdint cimport uint32_t, uint64_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu

cdef uint32_t swap_cache_get_folio(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef bint folio_matches_swap_entry(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void folio_enters_cache(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *word) noexcept nogil
cdef void folio_leaves_cache(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *word, uint64_t shadow) noexcept nogil
cdef bint swap_entry_swapped(Cpu cpu, swp_entry_t entry) noexcept nogil
cdef bint folio_swapped(Cpu cpu, uint32_t pfn) noexcept nogil
cdef bint mem_cgroup_swap_full(Cpu cpu, uint32_t pfn) noexcept nogil
