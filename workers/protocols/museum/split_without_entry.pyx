"""split_without_entry: has_cache whose split of a cached folio leaves the slot to its head alone (museum 30).

- Kernel: 6.1, in which a tail page lost what it keeps its entry in; 71e2d666ef85 keeps it. Migration had the like until 6.7.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until a tail page leaves: it is looked for at slot 0, and its own slot names a page that is another one's.
"""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class SplitWithoutEntry(HasCache):
    def __cinit__(self):
        self.name = "split_without_entry"

    cdef swp_entry_t split_entry(self, Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil:
        """Context: folio locked and frozen; the lock that guards its words held. What is new has none."""
        return 0
