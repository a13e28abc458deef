"""T9. After swapoff the memory of a device is somebody else's: who comes late reads and writes what is not his.

Slots are looked at in cooperative runs: where they are counted, where their cluster is locked, where a lookup begins.
"""
from shm.vmstat cimport WARN_NO_SLOT
from workers.invariants.law cimport StepLaw


cdef class SlotsInUse(StepLaw):
    """Only slots of a device in use are looked up, locked or counted: not the header, none beyond the end, and none of a
    device that is off."""

    def __cinit__(self):
        self.id = "T9"
        self.noticed[WARN_NO_SLOT] = b"CPU %lu asked for a slot that is not there: entry 0x%lx, its device's flags 0x%lx (0x%lx)"
