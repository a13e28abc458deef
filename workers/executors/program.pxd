"""What one CPU of a run is and does, whatever executor it runs on."""
from libc.stdint cimport uint32_t, uint64_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport Protocol
from workers.workloads.workload cimport Workload

cdef class Program:
    cdef object buf
    cdef Py_buffer view
    cdef readonly Cpu cpu
    cdef Protocol protocol
    cdef Workload workload
    cdef readonly bint device  # one of those that attend devices
    cdef int serves  # the number of its disk, -1: it discards
    cdef uint64_t swapoff_ns
    cdef uint64_t next_swapoff_ns
    cdef uint32_t next_device

    cdef void prepare_here(self) noexcept nogil
    cdef void begin(self) noexcept nogil
    cdef void one_operation(self) noexcept nogil
    cdef void run_operations(self, uint64_t n) noexcept nogil
    cdef void run_until_stopped(self) noexcept nogil
    cdef void serve(self) noexcept nogil
