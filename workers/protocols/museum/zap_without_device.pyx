"""zap_without_device: has_cache whose zap does not hold the device (museum 13).

- Kernel: up to 6.8, CVE-2024-26960; 82b1c07a0af6 takes the reference.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong: free_swap_and_cache gives the last reference of a cached slot back and then looks
  for its folio. A swapoff in between finds that folio, frees the slot, and takes the device down.
"""
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport PIN_ZAP
from workers.protocols.has_cache cimport HasCache


cdef class ZapWithoutDevice(HasCache):
    def __cinit__(self):
        self.name = "zap_without_device"

    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: no lock needed. Not by a zap."""
        return who == PIN_ZAP or HasCache.pin_device(self, cpu, entry, who)

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: as pin_device."""
        if who != PIN_ZAP:
            HasCache.unpin_device(self, cpu, entry, who)
