"""A CPU in virtual time: every primitive waits for its turn, takes effect, and costs what the model says."""
cimport cython
from libc.stdint cimport uint64_t
from shm.lock cimport lock_t
from workers.cpu cimport Cpu
from workers.simulation.clocks cimport sim_task_t
from workers.simulation.simulator cimport Simulator

@cython.final
cdef class SimulatedCpu(Cpu):
    cdef Simulator simulator
    cdef sim_task_t *task  # of the simulator, which outlives this object
    cdef uint64_t mms_at  # where the address spaces lie in the segment
    cdef uint64_t mms_end
    cdef uint64_t counters_at  # and the memcgs
    cdef uint64_t counters_end
    cdef bint faulting  # mmap_lock is held: the way back is to be paid
    cdef uint64_t word(self) noexcept nogil
    cdef void acquire(self, lock_t *l) noexcept nogil
