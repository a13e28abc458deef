from workers.protocols.has_cache cimport HasCache

cdef class ReclaimWithoutRecheck(HasCache):
    pass
