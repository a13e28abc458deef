"""no_cont_lock: has_cache whose continuation pages have no lock of their own (museum 18).

- Kernel: 4.11 to 4.14; 2628bd6fc052 brought cont_lock.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong: a page of swap_map spans several clusters, and so does its list of continuation
  pages. Under two cluster locks two CPUs hang a page on the same link, and what one of them had counted in its page
  is lost.
"""
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class NoContLock(HasCache):
    def __cinit__(self):
        self.name = "no_cont_lock"

    cdef void cont_lock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held, which is thought to be enough."""

    cdef void cont_unlock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held."""
