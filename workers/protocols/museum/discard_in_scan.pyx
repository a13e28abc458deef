"""discard_in_scan: has_cache_waitqueue whose allocator discards where it looks for a slot (museum 29).

- Kernel: 6.15 to 6.17; 9fb749cd1507 fails first, drops the lock, discards, and asks again.
- Holder: as in has_cache_waitqueue.
- Loser: as in has_cache_waitqueue.
- Cost: a discard sleeps, and the local lock of percpu_swap_cluster is held: a CPU whose next task allocates stands still,
  or the scheduler finds a sleep where there must be none.
"""
from workers.protocols.has_cache_waitqueue cimport HasCacheWaitqueue


cdef class DiscardInScan(HasCacheWaitqueue):
    def __cinit__(self):
        self.name = "discard_in_scan"
        self.discards_in_scan = True
