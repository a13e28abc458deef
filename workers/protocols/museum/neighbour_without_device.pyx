"""neighbour_without_device: has_cache_waitqueue whose readahead holds the device of its own slot alone (museum 15).

- Kernel: 6.15 to 6.17, CVE-2025-40270; 1c2a936edd71 takes a reference of the other device, or leaves the page.
- Holder: as in has_cache_waitqueue.
- Loser: as in has_cache_waitqueue.
- Cost: none, until it goes wrong: a page in the window lies on another device, which is swapped off meanwhile; the
  readahead looks at a slot that is gone.
"""
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport PIN_READAHEAD
from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue


cdef class NeighbourWithoutDevice(HasCacheWaitqueue):
    def __cinit__(self):
        self.name = "neighbour_without_device"

    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: no lock needed. Not by a readahead for another device than the fault's own."""
        return who == PIN_READAHEAD or HasCacheWaitqueue.pin_device(self, cpu, entry, who)

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: as pin_device."""
        if who != PIN_READAHEAD:
            HasCacheWaitqueue.unpin_device(self, cpu, entry, who)
