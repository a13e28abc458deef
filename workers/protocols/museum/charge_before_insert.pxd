from workers.protocols.swap_table cimport SwapTable

cdef class ChargeBeforeInsert(SwapTable):
    pass
