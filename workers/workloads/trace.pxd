from libc.stdint cimport uint32_t
from workers.workloads.workload cimport Workload

cdef class Trace(Workload):
    cdef object keep  # the array that `references` points into
    cdef const uint32_t *references
    cdef uint32_t length
