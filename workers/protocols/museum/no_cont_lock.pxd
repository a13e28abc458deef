from workers.protocols.has_cache cimport HasCache

cdef class NoContLock(HasCache):
    pass
