"""Page faults (kernel: mm/memory.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int access_page(Cpu cpu, Protocol p, uint32_t mm, uint32_t page, bint write) noexcept nogil
