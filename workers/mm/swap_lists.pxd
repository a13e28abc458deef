"""The lists that clusters lie on, and their tables (kernel: mm/swapfile.c, move_cluster and friends)."""
from libc.stdint cimport uint32_t
from shm.cluster cimport CLUSTER_FLAG_FRAG, swap_cluster_info
from workers.cpu cimport Cpu

cdef void move_cluster(Cpu cpu, uint32_t device, uint32_t index, uint32_t flag) noexcept nogil
cdef uint32_t isolate_lock_cluster(Cpu cpu, uint32_t device, uint32_t flag, uint32_t order) noexcept nogil
cdef void relocate_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef void list_del(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef void release_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef void free_cluster(Cpu cpu, uint32_t device, uint32_t index) noexcept nogil
cdef uint32_t take_table(Cpu cpu) noexcept nogil
cdef void give_table(Cpu cpu, uint32_t table) noexcept nogil

cdef inline bint cluster_is_usable(swap_cluster_info *ci, uint32_t order) noexcept nogil:
    """Whether an allocation of that order may look for slots in it. Context: cluster lock held."""
    return ci.flags <= CLUSTER_FLAG_FRAG and ci.table != 0 and (order == 0 or ci.count == 0 or ci.order == order)
