"""Moving pages between folios and the device (kernel: mm/page_io.c; drivers/block/zram)."""
from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu

cdef enum:
    AOP_WRITEPAGE_ACTIVATE = 0x80000  # of a write: refused, and the folio is locked and dirty still

cdef int swap_writeout(Cpu cpu, uint32_t pfn) noexcept nogil
cdef int swap_writepage(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil
cdef void swap_read_folio(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void serve_device(Cpu cpu, uint32_t device) noexcept nogil
cdef void worker_leaves(Cpu cpu) noexcept nogil
