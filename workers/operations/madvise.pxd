"""madvise (kernel: mm/madvise.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int madvise_pageout(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
cdef int madvise_dontneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
cdef int madvise_cold(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
cdef int madvise_willneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
cdef int madvise_free(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
