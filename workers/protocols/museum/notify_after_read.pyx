"""notify_after_read: a zram is told to drop its copy once the cache has read a slot, whoever else shares it (museum 2).

- Kernel: 4.15 (aa8d22a11da9) to 5.4 ("mm: do not free shared swap slots").
- Holder: as in skip_cache: nobody in the fault of a synchronous device, the bit in readahead.
- Loser: one that has missed the cache, and looks at the count when the other sharer is gone: reads zeroes from the device.
- Cost: half the memory of a zram for pages that are in RAM, and memory that is lost.
"""
from shm.folio cimport PG_DIRTY
from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_of, folio_set
from workers.mm.protocol cimport vm_fault
from workers.mm.swapfile cimport swap_slot_free_notify
from workers.protocols.skip_cache cimport SkipCache


cdef class NotifyAfterRead(SkipCache):
    def __cinit__(self):
        self.name = "notify_after_read"

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, page-table lock held. The folio is dirty, and the only copy; the count is not looked at."""
        if not vmf.bypass:
            swap_slot_free_notify(cpu, vmf.entry)
            folio_set(folio_of(cpu, vmf.folio), PG_DIRTY)
        SkipCache.map_swapped_in(self, cpu, vmf)
