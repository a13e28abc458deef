from workers.protocols.has_cache cimport HasCache

cdef class InsertSleeps(HasCache):
    pass
