from workers.protocols.has_cache cimport HasCache

cdef class WritebackWaits(HasCache):
    pass
