"""fault_without_device: has_cache whose fault does not hold the device (museum 14).

- Kernel: up to 5.2; eb085574a752 brought get_swap_device. The step stood beside the bypass of skip_cache, which is
  bug 1.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong: a fault reads its entry from the page table, and the device is gone before it looks
  at the slot.
"""
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport PIN_FAULT
from workers.protocols.has_cache cimport HasCache


cdef class FaultWithoutDevice(HasCache):
    def __cinit__(self):
        self.name = "fault_without_device"

    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: no lock needed. Not by a fault."""
        return who == PIN_FAULT or HasCache.pin_device(self, cpu, entry, who)

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: as pin_device."""
        if who != PIN_FAULT:
            HasCache.unpin_device(self, cpu, entry, who)
