"""A CPU that is a stack of its own in one thread: every primitive is a scheduling point."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from shm.lock cimport lock_t
from workers.cpu cimport Cpu
from workers.executors.execution cimport Execution

# Laws under the cluster lock: called on the CPU's stack; False breaks the execution off.
ctypedef bint (*unlock_check)(void *judge, Cpu cpu, uint32_t device, uint64_t cluster) noexcept nogil

@cython.final
cdef class CooperativeCpu(Cpu):
    cdef Execution execution
    cdef unlock_check at_unlock  # NULL: not checked
    cdef void *judge  # borrowed: first argument of at_unlock
    cdef void acquire(self, lock_t *l) noexcept nogil
    cdef bint sleep(self, uint64_t due_ns, int cause) noexcept nogil
    cdef void forget(self) noexcept nogil
