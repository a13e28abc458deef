"""writeback_without_device: has_cache whose zswap writes back to a device that it does not pin (museum 6).

- Kernel: 6.8, before 5878303c5353.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: a reference less, until a swapoff is faster.
"""
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.protocol cimport PIN_ZSWAP
from workers.protocols.has_cache cimport HasCache


cdef class WritebackWithoutDevice(HasCache):
    def __cinit__(self):
        self.name = "writeback_without_device"

    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: no lock needed. zswap trusts the entry that it has found."""
        return who == PIN_ZSWAP or HasCache.pin_device(self, cpu, entry, who)

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: pinned by pin_device."""
        if who != PIN_ZSWAP:
            HasCache.unpin_device(self, cpu, entry, who)
