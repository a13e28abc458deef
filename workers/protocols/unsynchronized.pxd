from workers.protocols.swap_cache cimport SwapCache

cdef class Unsynchronized(SwapCache):
    pass
