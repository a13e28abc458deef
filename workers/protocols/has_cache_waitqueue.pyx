"""has_cache_waitqueue: has_cache, and the bypass that clears the bit wakes whoever sleeps on the one global queue.

- Kernel: 6.12 to 6.19 (01626a182302); the form of 6.18 on, whose swap cache is the swap table under the cluster lock.
- Holder: the bit, as in has_cache.
- Loser: in the fault, enqueues on swapcache_wq and sleeps until a bypass wakes it, for a tick at most; it does not look
  again before it sleeps. In readahead, sleeps one tick as before. Nobody else's clear wakes anybody.
- Cost: one read where the wake-up comes; the whole tick where the bit was cleared between the failed claim and the enqueuing,
  or by a readahead or a reclaim. Every clear wakes the losers of all slots.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64
from shm.folio cimport PG_DIRTY
from shm.swap_table cimport swp_tb_is_shadow, swp_tb_to_shadow
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SWAPCACHE_EEXIST
from workers.cpu cimport Cpu, count
from workers.mm.filemap cimport swapcache_wait, swapcache_wake
from workers.mm.memcontrol cimport memcg1_swapout, workingset_eviction
from workers.mm.page_alloc cimport folio_of, folio_put, folio_ref_freeze, folio_ref_unfreeze, folio_test
from workers.mm.protocol cimport SWAPIN_READAHEAD, SWAPIN_REFAULT, vm_fault
from workers.mm.swap_state cimport folio_enters_cache, folio_leaves_cache
from workers.mm.swapfile cimport (
    put_swap_folio, swap_cluster_lock, swap_cluster_unlock, swap_count, swap_word, swapcache_prepare, synchronous_io,
)
from workers.protocols.has_cache cimport HasCache


cdef class HasCacheWaitqueue(HasCache):
    def __cinit__(self):
        self.name = "has_cache_waitqueue"
        self.i_pages = False

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Context: folio locked, the bit is ours; takes the cluster lock. The claim was checked: this cannot fail."""
        cdef uint64_t *word
        swap_cluster_lock(cpu, entry)
        word = swap_word(cpu, entry)
        if shadow != NULL and swp_tb_is_shadow(load64(word)):
            shadow[0] = swp_tb_to_shadow(load64(word))
        folio_enters_cache(cpu, pfn, entry, word)
        swap_cluster_unlock(cpu, entry)
        return 0

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked, a reference of the caller beside the cache's; takes the cluster lock twice."""
        cdef swp_entry_t entry = folio_of(cpu, pfn).swap, outer = cpu.my.claimed_entry
        swap_cluster_lock(cpu, entry)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), 0)
        cpu.my.claimed_entry = entry  # W_del: out of the cache, the bit still set
        swap_cluster_unlock(cpu, entry)
        put_swap_folio(cpu, self, entry)
        cpu.my.claimed_entry = outer
        folio_put(cpu, pfn)

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. A loser waits on the queue of all losers."""
        if not synchronous_io(cpu, vmf.entry) or swap_count(cpu, vmf.entry) != 1:
            return SWAPIN_READAHEAD
        if swapcache_prepare(cpu, vmf.entry) < 0:
            count(cpu, EV_SWAPCACHE_EEXIST)
            swapcache_wait(cpu)
            return SWAPIN_REFAULT
        vmf.claimed = True
        cpu.my.claimed_entry = vmf.entry  # W_byp: over the whole read, and the PTE
        return self.swapin_bypass(cpu, vmf)

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: no lock held; takes the cluster lock, then the queue's. waitqueue_active is read without a barrier."""
        if vmf.claimed:
            HasCache.fault_done(self, cpu, vmf)
            swapcache_wake(cpu)

    cdef bint remove_mapping(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes the cluster lock twice: W_del lies between."""
        cdef swp_entry_t entry = folio_of(cpu, pfn).swap, outer = cpu.my.claimed_entry
        cdef uint64_t shadow
        swap_cluster_lock(cpu, entry)
        if not folio_ref_freeze(cpu, pfn, 2):
            swap_cluster_unlock(cpu, entry)
            return False
        if folio_test(folio_of(cpu, pfn), PG_DIRTY):
            folio_ref_unfreeze(cpu, pfn, 2)
            swap_cluster_unlock(cpu, entry)
            return False
        shadow = workingset_eviction(cpu, pfn)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), shadow)
        memcg1_swapout(cpu, pfn, entry)
        cpu.my.claimed_entry = entry
        swap_cluster_unlock(cpu, entry)
        put_swap_folio(cpu, self, entry)
        cpu.my.claimed_entry = outer
        return True
