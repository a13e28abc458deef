"""swapoff and swapon (kernel: mm/swapfile.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int swapoff(Cpu cpu, Protocol p, uint32_t device) noexcept nogil
cdef int swapon(Cpu cpu, uint32_t device) noexcept nogil
