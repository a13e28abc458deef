"""fork, exit (kernel: mm/memory.c copy_page_range, zap_pte_range; kernel/fork.c)."""
from libc.stdint cimport uint32_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol

cdef int mm_init(Cpu cpu, uint32_t mm, uint32_t memcg) noexcept nogil
cdef int fork_mm(Cpu cpu, Protocol p, uint32_t parent, uint32_t child) noexcept nogil
cdef int exit_mm(Cpu cpu, Protocol p, uint32_t mm) noexcept nogil
cdef void mmput(Cpu cpu, Protocol p, uint32_t mm) noexcept nogil
cdef void zap_range(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil
