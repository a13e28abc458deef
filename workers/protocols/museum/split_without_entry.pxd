from workers.protocols.has_cache cimport HasCache

cdef class SplitWithoutEntry(HasCache):
    pass
