"""The CPUs that attend devices, as bodies: they stand after the working ones in every schedule and every play."""
from workers.cpu cimport Cpu
from workers.executors.engine cimport Body
from workers.executors.program cimport Program


cdef class Served(Body):
    """It serves until the working CPUs have left."""
    cdef Program program

    cdef void run(self, Cpu cpu) noexcept nogil:
        self.program.serve()


def attending(programs: list[Program]) -> list[Body]:
    """A body for each of `programs` that is of such a CPU, in their order."""
    cdef Program program
    cdef Served served
    bodies = []
    for program in programs:
        if program.device:
            served = Served()
            served.program = program
            bodies.append(served)
    return bodies
