from libc.stdint cimport uint32_t
from workers.workloads.workload cimport Workload

cdef class Redis(Workload):
    cdef bint saving
    cdef uint32_t saved  # pages that the child has read

cdef class KernelBuild(Workload):
    cdef object keep  # the array that `references` points into
    cdef const uint32_t *references
    cdef uint32_t length
    cdef uint32_t next_reference
    cdef bint compiling
