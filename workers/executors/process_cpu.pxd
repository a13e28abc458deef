"""A CPU that is a process (or a thread): real locks, real semaphores, real time."""
from libc.stdint cimport uint64_t
from shm.lock cimport lock_t
from workers.cpu cimport Cpu

cdef class ProcessCpu(Cpu):
    cdef void wait_for_lock(self, lock_t *l, uint64_t me) noexcept nogil
    cdef void wait_for_wake(self) noexcept nogil
    cdef void contended(self, lock_t *l, uint64_t me) noexcept nogil
