"""Free blocks of 2^order pages (kernel: mm/page_alloc.c, the buddy allocator of a zone)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu

cdef uint32_t rmqueue(Cpu cpu, uint32_t order) noexcept nogil
cdef void free_one_page(Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil
