from workers.protocols.has_cache cimport HasCache

cdef class FaultWithoutDevice(HasCache):
    pass
