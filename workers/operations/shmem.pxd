"""What programs do to files of tmpfs, and what swapoff does for them (kernel: mm/shmem.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int shmem_read(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil
cdef int shmem_write(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil
cdef void shmem_truncate(Cpu cpu, Protocol p, uint32_t inode, uint32_t first, uint32_t end) noexcept nogil
cdef int shmem_unuse(Cpu cpu, Protocol p, uint32_t device) noexcept nogil
