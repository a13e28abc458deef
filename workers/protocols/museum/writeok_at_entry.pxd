from workers.protocols.swap_cache cimport SwapCache

cdef class WriteokAtEntry(SwapCache):
    pass
