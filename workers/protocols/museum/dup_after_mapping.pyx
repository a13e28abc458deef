"""dup_after_mapping: has_cache where a file's slot is counted after the mapping names it (museum 21).

- Kernel: up to 3.1; 826267cf1e6c counts the slot before anybody can find it.
- Holder: as in has_cache.
- Loser: a truncation that finds the slot in the mapping before it is counted: it gives back a reference that nobody took.
- Cost: a slot that nobody refers to and that is never freed: swapoff looks for its owner for ever.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport load64
from shm.shmem cimport swp_to_radix_entry
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_of, folio_pages
from workers.mm.shmem cimport shmem_delete_from_page_cache
from workers.protocols.has_cache cimport HasCache


cdef class DupAfterMapping(HasCache):
    def __cinit__(self):
        self.name = "dup_after_mapping"

    cdef void shmem_leave_page_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked, in both caches; takes i_pages, cluster lock. The mapping first."""
        cdef swp_entry_t entry = load64(&folio_of(cpu, pfn).swap)
        shmem_delete_from_page_cache(cpu, pfn, swp_to_radix_entry(entry))
        self.shmem_dup_swap(cpu, entry, folio_pages(cpu, pfn))
