from libc.stdint cimport uint32_t
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault
from workers.protocols.base cimport Base

cdef class HasCache(Base):
    cdef bint claim(self, Cpu cpu, vm_fault *vmf, swp_entry_t entry, uint32_t nr) noexcept nogil
    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil
