from workers.protocols.has_cache cimport HasCache

cdef class HasCacheWaitqueue(HasCache):
    pass
