"""writeok_at_entry: swap_cache whose allocator looks only once whether the device takes pages (museum 16).

- Kernel: up to 6.12; 0ec8bc9e880e looks again under the cluster lock, and has swapoff wait for allocators.
- Holder: as in swap_cache.
- Loser: as in swap_cache.
- Cost: none, until it goes wrong: SWP_WRITEOK is seen when the device is chosen, a swapoff begins and finds nothing
  in use, and then the slot is taken.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport store8
from shm.cluster cimport swap_cluster_info
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.memcontrol cimport slot_of
from workers.protocols.swap_cache cimport SwapCache


cdef class WriteokAtEntry(SwapCache):
    def __cinit__(self):
        self.name = "writeok_at_entry"

    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil:
        """Context: folio locked; cluster lock held. SWP_WRITEOK may be clear by now."""
        cdef uint32_t i
        for i in range(nr):
            store8(&cpu.m.swap_map[slot_of(cpu, entry + i)], SWAP_HAS_CACHE)
        cpu.my.reserved_entry = entry
        cpu.my.reserved_nr = nr
        return True
