from workers.protocols.has_cache cimport HasCache

cdef class WritebackWithoutDevice(HasCache):
    pass
