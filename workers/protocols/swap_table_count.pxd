from workers.protocols.swap_table cimport SwapTable

cdef class SwapTableCount(SwapTable):
    pass
