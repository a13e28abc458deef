"""id_of_the_dead: swap_cache that records the id of a memcg that is gone, and charges its ancestor (museum 25).

- Kernel: 6.15, 6769183166b3; 73f839b6d2ed records whom it charges.
- Holder: as in swap_cache.
- Loser: as in swap_cache.
- Cost: none, until it goes wrong: a slot of an offline memcg is charged to the nearest ancestor that is alive, but
  gets the id of the dead one. When the slot is freed, the charge is given back to the wrong one.
"""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.protocols.swap_cache cimport SwapCache


cdef class IdOfTheDead(SwapCache):
    def __cinit__(self):
        self.name = "id_of_the_dead"

    cdef uint32_t recorded_memcg(self, Cpu cpu, uint32_t memcg, uint32_t swap_memcg) noexcept nogil:
        """Context: folio locked. The folio's memcg, whoever was charged."""
        return memcg
