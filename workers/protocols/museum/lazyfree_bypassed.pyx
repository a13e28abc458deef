"""lazyfree_bypassed: has_cache whose MADV_FREE takes a clean page though another mm has it too (museum 39).

- Kernel: 4.15 to 6.19, as its steps read: a swap-in of a synchronous device that bypasses the swap cache, and
  madvise_free_pte_range, which counts the mappings of a folio only if that is dirty or in the swap cache. Seen in 6.1, 6.8,
  6.12 and 6.19, not in 7.0 and later (docs/kernels.md).
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong. A page that was read past the swap cache has a clean PTE and a clean folio, and its slot is
  free: memory has the only copy. A child that shares it gives it up, and reclaim finds nobody who has stored to it.
"""
from workers.protocols.has_cache cimport HasCache


cdef class LazyfreeBypassed(HasCache):
    def __cinit__(self):
        self.name = "lazyfree_bypassed"
        self.lazyfree_shared = True
