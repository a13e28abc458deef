from workers.protocols.swap_cache cimport SwapCache

cdef class CountedTwice(SwapCache):
    pass
