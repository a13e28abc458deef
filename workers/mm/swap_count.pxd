"""References of a slot as the versions of the kernel keep them: a byte with digits behind it, or bits of the table word."""
from libc.stdint cimport uint32_t
from shm.cluster cimport swap_cluster_info
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

# swap_map, up to 7.0
cdef int map_count_up(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil
cdef int map_count_up_cached(Cpu cpu, Protocol p, swp_entry_t entry, bint cached) noexcept nogil
cdef bint map_count_down(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil
cdef int add_swap_count_continuation(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil
cdef void free_swap_count_continuations(Cpu cpu, uint32_t device) noexcept nogil

# the table word, from 7.1
cdef int table_count_up(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil
cdef bint table_count_down(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil
cdef int swap_extend_table_alloc(Cpu cpu, swp_entry_t entry) noexcept nogil
