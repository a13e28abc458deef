from workers.protocols.swap_cache cimport SwapCache

cdef class SwapTable(SwapCache):
    pass
