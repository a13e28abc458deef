from workers.protocols.has_cache cimport HasCache

cdef class DupAfterMapping(HasCache):
    pass
