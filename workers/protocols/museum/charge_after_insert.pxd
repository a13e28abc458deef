from workers.protocols.swap_table_count cimport SwapTableCount

cdef class ChargeAfterInsert(SwapTableCount):
    pass
