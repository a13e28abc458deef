from workers.protocols.has_cache cimport HasCache

cdef class WritebackWithoutCompare(HasCache):
    pass
