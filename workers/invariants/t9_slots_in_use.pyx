"""T9. After swapoff the memory of a device is somebody else's: who comes late reads and writes what is not his.

Slots are looked at in cooperative runs: where they are counted, where their cluster is locked, where a lookup begins.
"""
from shm.layout cimport layout_t
from shm.vmstat cimport WARN_NO_SLOT
from workers.invariants.law cimport Law, finding_t, tell_warnings


cdef class SlotsInUse(Law):
    """Only slots of a device in use are looked up, locked or counted: not the header, none beyond the end, and none of a
    device that is off."""

    def __cinit__(self):
        self.id = "T9"
        self.points = ("T",)

    cdef void at_rest(self, layout_t *m, finding_t *out) noexcept nogil:
        tell_warnings(m, WARN_NO_SLOT, b"CPU %lu asked for a slot that is not there: entry 0x%lx, flags of the device 0x%lx (0x%lx)", out)
