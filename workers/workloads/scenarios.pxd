from workers.workloads.workload cimport Workload

cdef class ThreadFault(Workload):
    pass

cdef class ForkFault(Workload):
    cdef bint gone

cdef class Usemem(Workload):
    pass
