from workers.protocols.has_cache cimport HasCache

cdef class ZapWithoutDevice(HasCache):
    pass
