from workers.protocols.has_cache cimport HasCache

cdef class RetryYields(HasCache):
    pass
