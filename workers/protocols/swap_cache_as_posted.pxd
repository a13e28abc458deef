from workers.protocols.swap_cache cimport SwapCache

cdef class SwapCacheAsPosted(SwapCache):
    pass
