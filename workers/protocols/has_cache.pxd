from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault
from workers.protocols.base cimport Base

cdef class HasCache(Base):
    cdef int swapin_bypass(self, Cpu cpu, vm_fault *vmf) noexcept nogil
