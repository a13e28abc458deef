"""Large folios become small ones (kernel: mm/huge_memory.c, split_folio)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu

cdef int split_folio(Cpu cpu, uint32_t pfn) noexcept nogil
cdef bint split_isolated(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void migration_entry_wait(Cpu cpu, uint32_t mm) noexcept nogil
