from libc.stdint cimport uint32_t
from workers.workloads.trace cimport Recorded
from workers.workloads.workload cimport Workload

cdef class Redis(Workload):
    cdef bint saving
    cdef uint32_t saved  # pages that the child has read

cdef class KernelBuild(Recorded):
    cdef uint32_t next_reference
    cdef bint compiling
