"""P3. pte_same compares an entry, and an entry has no generation: a slot that was freed and used again for the same page
compares equal, and what was read from it before is mapped over what was stored since (museum 1, CVE-2024-26759)."""
from shm.vmstat cimport WARN_SLOT_RECYCLED
from workers.invariants.law cimport StepLaw


cdef class SlotKept(StepLaw):
    """A swap-in maps a folio only in place of the swap PTE that it began with, and only while the slot has not been freed
    since the folio was read from it, or put in the swap cache for it."""

    def __cinit__(self):
        self.id = "P3"
        self.points = ("P", "T")
        self.noticed[WARN_SLOT_RECYCLED] = b"CPU %lu maps what the slot held before: entry 0x%lx, folio %lu, PTE 0x%lx"
