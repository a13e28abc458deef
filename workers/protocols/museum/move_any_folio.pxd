from workers.protocols.swap_cache cimport SwapCache

cdef class MoveAnyFolio(SwapCache):
    pass
