"""Moving a page to another address (kernel: mm/userfaultfd.c, move_pages_pte)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int userfaultfd_move(Cpu cpu, Protocol p, uint32_t mm, uint32_t src, uint32_t dst) noexcept nogil
