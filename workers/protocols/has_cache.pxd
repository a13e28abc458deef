from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault
from workers.protocols.base cimport Base

cdef class HasCache(Base):
    cdef bint claim(self, Cpu cpu, vm_fault *vmf, swp_entry_t entry, uint32_t nr) noexcept nogil
    cdef void read_private(self, Cpu cpu, vm_fault *vmf, uint32_t own, swp_entry_t entry) noexcept nogil
    cdef uint32_t read_swap_cache_async(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil
    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil
    cdef void leave_unlock(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil
    cdef int swapin_bypass(self, Cpu cpu, vm_fault *vmf) noexcept nogil
