from workers.protocols.swap_cache cimport SwapCache

cdef class UnuseAnyType(SwapCache):
    pass
