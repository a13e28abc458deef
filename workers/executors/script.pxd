"""A machine for scripts: a segment, its CPUs, and what each of them plays."""
from libc.stdint cimport uint32_t, uint64_t
from shm.layout cimport layout_t
from workers.executors.engine cimport Body, Engine
from workers.executors.program cimport Program
from workers.workloads.script cimport Script

cdef class Scripted(Body):
    """A working CPU."""
    cdef Script script
    cdef Program program

cdef class Machine:
    cdef readonly object spec, plan, buf
    cdef layout_t m
    cdef Engine engine  # cooperative only
    cdef list programs
    cdef object start  # page with the number of processes that are there
    cdef uint64_t number

    cdef dict scripts_of(self, scripts)
    cdef list bodies(self, dict scripts)
    cdef tuple play_once(self, list bodies)
    cdef str fork_and_wait(self, list bodies)
    cdef dict events(self)
