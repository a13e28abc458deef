"""What programs do to files of tmpfs, and what swapoff does for them (kernel: mm/shmem.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int shmem_read(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil
cdef int shmem_write(Cpu cpu, Protocol p, uint32_t inode, uint32_t page) noexcept nogil
cdef int shmem_get_folio(Cpu cpu, Protocol p, uint32_t inode, uint32_t page, bint write, uint32_t *pfn) noexcept nogil
cdef bint in_page_cache(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page) noexcept nogil
cdef uint32_t page_in_folio(Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil
cdef int shmem_unuse(Cpu cpu, Protocol p, uint32_t device) noexcept nogil
