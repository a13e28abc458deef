"""has_cache_waitqueue: has_cache, and the bypass that clears the bit wakes whoever sleeps on the one global queue.

- Kernel: 6.12 to 6.19 (01626a182302); the form of 6.18 on, whose swap cache is the swap table under the cluster lock.
- Holder: the bit, as in has_cache.
- Loser: in the fault, enqueues on swapcache_wq and sleeps until a bypass wakes it, for a tick at most; it does not look
  again before it sleeps. In readahead, sleeps one tick as before. Nobody else's clear wakes anybody.
- Cost: one read where the wake-up comes; the whole tick where the bit was cleared between the failed claim and the enqueuing,
  or by a readahead or a reclaim. Every clear wakes the losers of all slots.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.folio cimport PG_DIRTY
from shm.swp_entry cimport swp_entry_t
from shm.zone cimport MAX_FOLIO_ORDER
from workers.cpu cimport Cpu
from workers.mm.filemap cimport swapcache_wait, swapcache_wake
from workers.mm.memory cimport alloc_swapin_folio, bypass_done, put_locked_folio, read_bypass
from workers.mm.page_alloc cimport folio_of, folio_pages, folio_set
from workers.mm.protocol cimport SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, SWAPIN_REFAULT, vm_fault
from workers.mm.shmem cimport shmem_swap_alloc_folio
from workers.mm.swapfile cimport swap_count, swap_free_nr, synchronous_io
from workers.protocols.has_cache cimport HasCache


cdef enum:
    PMD_FOLIO = 1 << MAX_FOLIO_ORDER  # the bit of that order, which a bypass does not read


cdef class HasCacheWaitqueue(HasCache):
    def __cinit__(self):
        self.name = "has_cache_waitqueue"
        self.i_pages = False
        self.zeromap = True

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. A folio of up to half a PMD, charged before its slots are claimed."""
        cdef uint32_t own
        cdef swp_entry_t entry
        if not synchronous_io(cpu, vmf.entry) or swap_count(cpu, vmf.entry) != 1:
            return SWAPIN_READAHEAD
        own = alloc_swapin_folio(cpu, vmf, vmf.orders & (PMD_FOLIO - 1))
        if not own:
            return SWAPIN_OOM
        entry = vmf.entry & ~<uint64_t>(folio_pages(cpu, own) - 1)
        if not self.claim(cpu, vmf, entry, folio_pages(cpu, own)):
            put_locked_folio(cpu, own)
            return SWAPIN_REFAULT
        read_bypass(cpu, vmf, own, entry)
        bypass_done(cpu, own)
        return SWAPIN_FOLIO

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: no lock held; takes the cluster lock, then the queue's. waitqueue_active is read without a barrier."""
        if vmf.claimed:
            HasCache.fault_done(self, cpu, vmf)
            swapcache_wake(cpu)

    cdef int shmem_swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. The bypass (from 6.14), which counts nothing."""
        return shmem_swap_alloc_folio(cpu, vmf) if synchronous_io(cpu, vmf.entry) else SWAPIN_READAHEAD

    cdef void shmem_put_swap(self, Cpu cpu, vm_fault *vmf, bint dirty) noexcept nogil:
        """Context: folio locked; takes cluster lock. A bypass gives up its claim where the others leave the cache."""
        if not vmf.bypass:
            HasCache.shmem_put_swap(self, cpu, vmf, dirty)
            return
        if dirty:
            self.shmem_swapin_done(cpu, vmf)
            folio_set(folio_of(cpu, vmf.folio), PG_DIRTY)
        swap_free_nr(cpu, self, vmf.entry, folio_pages(cpu, vmf.folio))

    cdef void shmem_swapin_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, or about to go; takes cluster lock. swapcache_clear, which wakes nobody here."""
        if vmf.claimed:
            bypass_done(cpu, vmf.folio)
            HasCache.fault_done(self, cpu, vmf)

    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil:
        """A fault waits on the queue of all losers, a readahead for a tick. Context: the device is pinned; sleeps."""
        if fault:
            swapcache_wait(cpu)
        else:
            cpu.tick_sleep()
