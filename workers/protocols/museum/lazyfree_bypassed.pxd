from workers.protocols.has_cache cimport HasCache

cdef class LazyfreeBypassed(HasCache):
    pass
