"""Large folios become small ones (kernel: mm/huge_memory.c, split_folio)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int split_folio(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil
cdef bint lock_to_split(Cpu cpu, uint32_t pfn) noexcept nogil
cdef int split_isolated(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil
cdef void migration_entry_wait(Cpu cpu, uint32_t mm) noexcept nogil
