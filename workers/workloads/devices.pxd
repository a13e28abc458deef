from libc.stdint cimport uint32_t
from workers.workloads.workload cimport Workload

cdef class ZramSwapin(Workload):
    cdef uint32_t share  # pages of each CPU
    cdef bint leaving  # the share is being paged out for the next pass

cdef class SwapoffLoop(Workload):
    pass
