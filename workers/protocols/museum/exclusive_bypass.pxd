from workers.protocols.has_cache cimport HasCache

cdef class ExclusiveBypass(HasCache):
    pass
