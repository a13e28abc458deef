"""swapoff and swapon (kernel: mm/swapfile.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.protocols.base cimport Protocol

cdef int swapoff(Cpu cpu, Protocol p, uint32_t device) noexcept nogil
cdef int swapon(Cpu cpu, uint32_t device) noexcept nogil
