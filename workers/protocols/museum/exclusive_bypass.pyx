"""exclusive_bypass: has_cache whose bypass takes the entry of zswap along, though its folio may be thrown away (museum 3).

- Kernel: 6.5 to 6.8 (b9c91c43412f); 25cd241408a2 keeps the entry unless the folio is in the swap cache.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until the fault fails: the page that it drops was the only one.
"""
from workers.cpu cimport Cpu
from workers.mm.protocol cimport SWAPIN_FOLIO, vm_fault
from workers.mm.zswap_pool cimport zswap_invalidate
from workers.protocols.has_cache cimport HasCache


cdef class ExclusiveBypass(HasCache):
    def __cinit__(self):
        self.name = "exclusive_bypass"

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: device pinned; may sleep; takes the lock of a list of zswap."""
        cdef int how = HasCache.swapin_folio(self, cpu, vmf)
        if how == SWAPIN_FOLIO:
            zswap_invalidate(cpu, vmf.entry)
        return how
