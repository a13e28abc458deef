"""L6. swapoff walks address spaces until nothing of the device is in use. What it does not find it looks for for ever."""
from shm.vmstat cimport WARN_UNUSE_STUCK
from workers.invariants.law cimport StepLaw


cdef class SwapoffEnds(StepLaw):
    """A round of swapoff that begins when nobody else is at work any more leaves fewer slots in use."""

    def __cinit__(self):
        self.id = "L6"
        self.points = ("L", "T")
        self.noticed[WARN_UNUSE_STUCK] = b"CPU %lu went round for nothing: device %lu has %lu slots in use (%lu)"
