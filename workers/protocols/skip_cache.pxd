from workers.protocols.has_cache cimport HasCache

cdef class SkipCache(HasCache):
    pass
