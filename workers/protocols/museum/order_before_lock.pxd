from workers.protocols.swap_cache cimport SwapCache

cdef class OrderBeforeLock(SwapCache):
    pass
