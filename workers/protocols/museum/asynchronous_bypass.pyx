"""asynchronous_bypass: a device that says it is synchronous, and is not, is bypassed all the same (museum 34).

- Kernel: 4.15 to 4.18, a zram that writes back (4f7a7beaee77 takes the flag from it).
- Holder: nobody, as in skip_cache.
- Loser: a fault that does not get its folio's lock fails and frees the folio, since its read is thought to be done.
- Cost: the device writes into a page that is free, or somebody else's by then.
"""
from workers.cpu cimport Cpu
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.page_alloc cimport folio_put
from workers.mm.protocol cimport SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, vm_fault
from workers.mm.swapfile cimport swap_count
from workers.protocols.skip_cache cimport SkipCache


cdef class AsynchronousBypass(SkipCache):
    def __cinit__(self):
        self.name = "asynchronous_bypass"

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. Does not ask whether the device is synchronous; does not wait for it."""
        cdef int how
        if swap_count(cpu, vmf.entry) != 1:
            return SWAPIN_READAHEAD
        how = self.swapin_bypass(cpu, vmf)
        if how != SWAPIN_FOLIO:
            return how
        if not folio_trylock(cpu, vmf.folio):
            folio_put(cpu, vmf.folio)
            return SWAPIN_OOM
        folio_unlock(cpu, vmf.folio)
        return SWAPIN_FOLIO
