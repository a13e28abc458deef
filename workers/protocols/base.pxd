"""What the protocols have in common; each overrides the steps that its version does otherwise."""
from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef swp_entry_t find_slots(Cpu cpu, Protocol p, uint32_t pfn, uint32_t order) noexcept nogil

cdef class Base(Protocol):
    pass
