from workers.cpu cimport Cpu
from workers.mm.protocol cimport vm_fault
from workers.protocols.has_cache cimport HasCache

cdef class SkipCache(HasCache):
    cdef int swapin_bypass(self, Cpu cpu, vm_fault *vmf) noexcept nogil
