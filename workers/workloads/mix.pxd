from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport Workload

cdef enum:
    MIX_LOAD = 0
    MIX_STORE
    MIX_PAGEOUT
    MIX_DONTNEED
    MIX_RECLAIM
    MIX_FORK
    MIX_EXIT
    MIX_SWAPOFF
    MIX_COLD
    MIX_WILLNEED
    MIX_FREE
    MIX_MOVE
    MIX_SHMEM_READ
    MIX_SHMEM_WRITE
    MIX_SHMEM_TRUNCATE
    MIX_ZSWAP_WRITEBACK
    MIX_MUNMAP
    MIX_MMAP
    NR_MIX

cdef class Mix(Workload):
    cdef uint32_t weights[NR_MIX]
    cdef uint32_t total

    cdef int choose(self, Cpu cpu) noexcept nogil
    cdef void swap_device(self, Cpu cpu, Protocol p) noexcept nogil
    cdef void move_page(self, Cpu cpu, Protocol p, uint32_t mm, uint32_t page) noexcept nogil
    cdef uint32_t find(self, Cpu cpu, uint32_t state) noexcept nogil
    cdef void on_file(self, Cpu cpu, Protocol p, int operation) noexcept nogil
    cdef void on_mm(self, Cpu cpu, Protocol p, int operation, uint32_t mm) noexcept nogil
