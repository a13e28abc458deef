from workers.protocols.swap_cache cimport SwapCache

cdef class IdOfTheDead(SwapCache):
    pass
