"""mmlist_aside: has_cache whose fork hangs the child behind its parent, wherever that is (museum 24).

- Kernel: 2.6.18 to 3.18, for migration and hwpoison entries, which do not put the parent on the mmlist; here for any
  page.
- Holder: as in has_cache.
- Loser: as in has_cache.
- Cost: none, until it goes wrong: the child of a parent that is on no list has links that are not empty. When a page
  of it is swapped out, it counts as listed already; swapoff, which walks the real list, never finds it.
"""
from libc.stdint cimport uint32_t

from shm.atomic cimport load32, store32
from shm.mm cimport MMLIST_ASIDE, MMLIST_ON
from workers.cpu cimport Cpu
from workers.protocols.has_cache cimport HasCache


cdef class MmlistAside(HasCache):
    def __cinit__(self):
        self.name = "mmlist_aside"

    cdef void mmlist_fork(self, Cpu cpu, uint32_t parent, uint32_t child) noexcept nogil:
        """Context: parent's mmap_lock held for writing; takes mmlist_lock."""
        cdef uint32_t *links = &cpu.m.mms[child].on_mmlist
        cpu.lock(cpu.m.mmlist_lock)
        store32(links, MMLIST_ON if load32(&cpu.m.mms[parent].on_mmlist) == MMLIST_ON else MMLIST_ASIDE)
        cpu.unlock(cpu.m.mmlist_lock)
