"""skip_cache: a synchronous device is read into a private folio, and nobody knows of it.

- Kernel: 4.15 to 6.7 (aa8d22a11da9, 0bcac06f27d7); unsound, CVE-2024-26759.
- Holder: nobody, in the fault of a synchronous device: pte_same under the page-table lock is all that is looked at, and a
  slot that was freed and used again for the same page compares equal. In readahead, the bit, as in has_cache.
- Loser: does not know that it lost; reads a second copy, and may install a stale one.
- Cost: none, until memory is lost.
"""
from libc.stdint cimport uint32_t

from workers.cpu cimport Cpu
from workers.mm.memory cimport alloc_charged_folio, bypass_done, read_bypass
from workers.mm.protocol cimport SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, vm_fault
from workers.mm.swapfile cimport swap_count, synchronous_io
from workers.protocols.has_cache cimport HasCache


cdef class SkipCache(HasCache):
    def __cinit__(self):
        self.name = "skip_cache"

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. The count is looked at without a lock, and the slot is not claimed."""
        if not synchronous_io(cpu, vmf.entry) or swap_count(cpu, vmf.entry) != 1:
            return SWAPIN_READAHEAD
        return self.swapin_bypass(cpu, vmf)

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: none. Nothing was claimed."""

    cdef int swapin_bypass(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Read into a private folio, which no lookup finds. Context: device pinned; may sleep."""
        cdef uint32_t own = alloc_charged_folio(cpu, vmf.memcg, vmf.entry)
        if not own:
            return SWAPIN_OOM
        read_bypass(cpu, vmf, own, vmf.entry)
        bypass_done(cpu, own)
        return SWAPIN_FOLIO
