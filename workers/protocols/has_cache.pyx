"""has_cache: whoever sets the SWAP_HAS_CACHE bit of a slot swaps in.

- Kernel: 6.8 to 6.11 (13ddaf26be32 took the bypass of synchronous devices under the bit).
- Holder: the bit, which names nobody: a readahead between claim and insertion, a bypass over its whole read, a reclaim
  that has left the cache and not yet cleared the bit.
- Loser: sleeps one tick (schedule_timeout_uninterruptible(1)), then looks again or takes the fault again.
- Cost: a collision costs 1 to 2 ticks whatever the device takes: a shelf in the tail at 1/HZ.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64
from shm.swap_table cimport swp_tb_is_shadow, swp_tb_to_shadow
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SWAPCACHE_EEXIST, EV_SWAPCACHE_ENOENT
from workers.cpu cimport Cpu, count
from workers.mm.errno cimport EEXIST, ENOENT, ENOMEM
from workers.mm.memcontrol cimport mem_cgroup_swapin_charge_folio, memcg1_swapout
from workers.mm.memory cimport alloc_charged_folio, bypass_done, folio_swapped_in, put_locked_folio, read_bypass, set_present
from workers.mm.page_alloc cimport folio_pages
from workers.mm.protocol cimport ADD_SWAPIN, SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, SWAPIN_REFAULT, vm_fault
from workers.mm.swap_state cimport folio_enters_cache, folio_leaves_cache, swap_cache_get_folio, swap_entry_swapped
from workers.mm.swapfile cimport (
    claim_begins, put_swap_folio, swap_cache_lock, swap_cache_unlock, swap_count, swap_free_nr, swap_word, swapcache_prepare,
    synchronous_io,
)
from workers.protocols.base cimport Base


cdef class HasCache(Base):
    def __cinit__(self):
        self.name = "has_cache"
        self.i_pages = True

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Context: folio locked, the bit is ours; takes the lock of the word. The claim was checked: this cannot fail."""
        cdef uint64_t *word
        swap_cache_lock(cpu, entry)
        word = swap_word(cpu, entry)
        if shadow != NULL and swp_tb_is_shadow(load64(word)):
            shadow[0] = swp_tb_to_shadow(load64(word))
        folio_enters_cache(cpu, pfn, entry, word)
        swap_cache_unlock(cpu, entry)
        return 0

    cdef void leave_unlock(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """Out of the cache, the bit still set: W_del, until it is cleared.

        Context: swap_cache_lock held, dropped here; takes cluster lock after it.
        """
        cdef swp_entry_t outer = cpu.my.claimed_entry
        cdef uint32_t outer_nr = <uint32_t>cpu.my.claimed_nr
        claim_begins(cpu, entry, nr)
        swap_cache_unlock(cpu, entry)
        put_swap_folio(cpu, self, entry, nr)
        claim_begins(cpu, outer, outer_nr)

    cdef uint32_t prepare_and_add(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint32_t memcg, bint charged, bint skip_if_exists) noexcept nogil:
        """Context: the new folio locked, the device pinned; may sleep, a tick at a time while somebody else has the bit, unless
        `skip_if_exists`."""
        cdef swp_entry_t outer = cpu.my.claimed_entry
        cdef uint32_t found = 0, outer_nr = <uint32_t>cpu.my.claimed_nr
        cdef uint64_t shadow = 0
        cdef int err
        while True:
            err = swapcache_prepare(cpu, entry, 1)
            if err != EEXIST:
                break
            count(cpu, EV_SWAPCACHE_EEXIST)
            if skip_if_exists:
                cpu.my.refused_entry = 0
                break
            self.claim_refused(cpu, False)
            found = swap_cache_get_folio(cpu, entry)
            if found or not swap_entry_swapped(cpu, entry):
                break
        if err == 0:
            claim_begins(cpu, entry, 1)  # W_claim: until the folio is in the cache, losers find nothing
            if not charged and mem_cgroup_swapin_charge_folio(cpu, pfn, memcg, entry) < 0:
                put_swap_folio(cpu, self, entry, 1)
                err = ENOMEM
            else:
                self.swap_cache_add_folio(cpu, pfn, entry, &shadow, ADD_SWAPIN)
            claim_begins(cpu, outer, outer_nr)
        if err < 0:
            if err == ENOENT:
                count(cpu, EV_SWAPCACHE_ENOENT)
            put_locked_folio(cpu, pfn)
            return found
        folio_swapped_in(cpu, pfn, entry, shadow)
        return pfn

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. The bypass: a private folio under the bit, until fault_done."""
        cdef uint32_t own
        if not synchronous_io(cpu, vmf.entry) or swap_count(cpu, vmf.entry) != 1:
            return SWAPIN_READAHEAD
        if not self.claim(cpu, vmf, vmf.entry, 1):
            return SWAPIN_REFAULT
        own = alloc_charged_folio(cpu, vmf.memcg, vmf.entry)
        if not own:
            return SWAPIN_OOM
        read_bypass(cpu, vmf, own, vmf.entry)
        bypass_done(cpu, own)
        return SWAPIN_FOLIO

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, page-table lock held. The count goes first, the PTE last (up to 6.19)."""
        swap_free_nr(cpu, self, vmf.start, vmf.nr)
        if self.should_try_to_free_swap(cpu, vmf, 1):  # the fault's own reference: the PTE comes later
            self.folio_free_swap(cpu, vmf.folio)
        set_present(cpu, vmf)

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: no lock held; takes cluster lock (kernel: swapcache_clear). Frees a slot that nobody refers to now."""
        if vmf.claimed:
            put_swap_folio(cpu, self, vmf.claim, vmf.claim_nr)
            claim_begins(cpu, 0, 0)
            vmf.claimed = False

    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
        """Context: folio locked and frozen; swap_cache_lock held, dropped here; takes cluster lock. The bit goes last."""
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), shadow)
        memcg1_swapout(cpu, self, pfn, entry)
        self.leave_unlock(cpu, entry, folio_pages(cpu, pfn))

    cdef bint claim(self, Cpu cpu, vm_fault *vmf, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """Claim the slots that a bypass reads, until fault_done. False: refused, and waited. Context: device pinned; sleeps."""
        if swapcache_prepare(cpu, entry, nr) < 0:
            count(cpu, EV_SWAPCACHE_EEXIST)
            self.claim_refused(cpu, True)
            return False
        vmf.claimed = True
        vmf.claim = entry
        vmf.claim_nr = nr
        claim_begins(cpu, entry, nr)  # W_byp: over the whole read, and the PTE
        return True

    cdef void claim_refused(self, Cpu cpu, bint fault) noexcept nogil:
        """Who cannot have the bit waits before it tries again: a fault, or a readahead. Context: the device is pinned; sleeps."""
        cpu.tick_sleep()
