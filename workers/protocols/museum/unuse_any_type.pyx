"""unuse_any_type: swap_cache whose swapoff looks up whatever is not present (museum 35).

- Kernel: linux-next of November 2025, unuse_pte_range rewritten; syzbot d7bc9ec4a100437aa7a2.
- Holder: as in swap_cache.
- Loser: as in swap_cache.
- Cost: none, until it goes wrong: the type of an entry is read before it is known that the PTE holds a swap entry at
  all. An untouched page reads as slot 0 of device 0, which the swap cache is then asked for.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.mm cimport pte_present, pte_to_swp_entry
from shm.swp_entry cimport swp_type
from workers.cpu cimport Cpu
from workers.protocols.swap_cache cimport SwapCache


cdef class UnuseAnyType(SwapCache):
    def __cinit__(self):
        self.name = "unuse_any_type"

    cdef bint unuse_wants(self, Cpu cpu, uint64_t pte, uint32_t device) noexcept nogil:
        """Context: a look. Anything that is not present."""
        return not pte_present(pte) and swp_type(pte_to_swp_entry(pte)) == device
