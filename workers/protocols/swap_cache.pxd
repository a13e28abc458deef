from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault
from workers.protocols.base cimport Base

cdef class SwapCache(Base):
    cdef void swap_pin_cache_locked(self, Cpu cpu, swp_entry_t entry) noexcept nogil
    cdef int insert_and_read(self, Cpu cpu, vm_fault *vmf, uint32_t own) noexcept nogil
