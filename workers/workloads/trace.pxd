from libc.stdint cimport uint32_t
from workers.workloads.workload cimport Workload

cdef enum:
    MAX_PROCESSES = 256  # mms of a segment

cdef class Recorded(Workload):
    cdef object keep  # the array that `references` points into
    cdef const uint32_t *references
    cdef uint32_t length

cdef class Trace(Recorded):
    cdef uint32_t progress[MAX_PROCESSES]  # where this CPU's thread of each process is; `at` is the process that runs
    cdef uint32_t left  # references to the next switch
