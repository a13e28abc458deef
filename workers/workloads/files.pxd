from workers.workloads.workload cimport Workload

cdef class ShmemFault(Workload):
    pass
