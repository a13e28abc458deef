"""The lists that clusters lie on, and their tables (kernel: mm/swapfile.c, move_cluster and friends)."""
from libc.stdint cimport uint32_t
from shm.cluster cimport swap_cluster_info
from workers.cpu cimport Cpu

cdef void move_cluster(Cpu cpu, uint32_t device, uint32_t index, uint32_t flag) noexcept nogil
cdef uint32_t isolate_lock_cluster(Cpu cpu, uint32_t device, uint32_t flag) noexcept nogil
cdef void relocate_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef void free_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef bint swap_cluster_alloc_table(Cpu cpu, swap_cluster_info *ci) noexcept nogil
