from workers.protocols.has_cache cimport HasCache

cdef class MmlistAside(HasCache):
    pass
