from workers.protocols.swap_cache cimport SwapCache

cdef class SameOrderOnly(SwapCache):
    pass
