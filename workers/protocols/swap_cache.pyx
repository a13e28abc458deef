"""swap_cache: whoever inserts a folio in the swap cache under the cluster lock swaps in.

- Kernel: 7.0, phase II patch 12, "mm, swap: use swap cache as the swap in synchronize layer", with its fix (the cgroup
  id is recorded before the slot may be freed).
- Holder: the folio in the table. SWAP_HAS_CACHE is only mirrored, set and cleared in the same critical sections.
- Loser: finds the winner's folio and sleeps on its lock until the read is done.
- Cost: a loser waits for one read. No timer, no polling: the tail ends where the device's does.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, store8
from shm.folio cimport PG_DIRTY
from shm.slots cimport slot_byte
from shm.swap_map cimport SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio, swp_tb_is_shadow, swp_tb_to_shadow
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SWAPCACHE_EEXIST, EV_SWAPCACHE_ENOENT
from workers.cpu cimport WRITES, Cpu, count, point
from workers.mm.checks cimport cache_deletions, check_retry
from workers.mm.errno cimport EEXIST, ENOENT, ENOMEM
from workers.mm.memcontrol cimport mem_cgroup_swapin_charge_folio, memcg1_swapout, slot_of
from workers.mm.memory cimport alloc_swapin_folio, folio_swapped_in, put_locked_folio, set_present
from workers.mm.page_alloc cimport folio_of, folio_pages, folio_set, folio_test_large
from workers.mm.page_io cimport swap_read_folio
from workers.mm.protocol cimport ADD_SWAPIN, SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, vm_fault
from workers.mm.shmem cimport shmem_alloc_large_folio
from workers.mm.swap_state cimport folio_enters_cache, folio_leaves_cache, swap_cache_get_folio
from workers.mm.swapfile cimport (
    folio_dup_swap, put_cache_locked, swap_cache_lock, swap_cache_unlock, swap_entry_referenced, swap_free_nr, swap_word,
    synchronous_io,
)
from workers.protocols.base cimport Base


cdef class SwapCache(Base):
    def __cinit__(self):
        self.name = "swap_cache"
        self.i_pages = False
        self.zeromap = True
        self.map_shmem = False
        self.lazyfree_shared = True

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Context: folio locked; takes cluster lock. Nothing is changed on an error."""
        cdef uint64_t *word
        cdef uint32_t i, nr = folio_pages(cpu, pfn)
        cdef int err = 0
        swap_cache_lock(cpu, entry)
        word = swap_word(cpu, entry)
        if word == NULL:
            err = ENOENT
        for i in range(nr if err == 0 else 0):
            if err == 0 and swp_tb_is_folio(load64(&word[i])):
                err = EEXIST
            elif err == 0 and how == ADD_SWAPIN and not swap_entry_referenced(cpu, entry + i):
                err = ENOENT
        if err == 0:
            for i in range(nr):
                if shadow != NULL and swp_tb_is_shadow(load64(&word[i])):
                    shadow[0] = swp_tb_to_shadow(load64(&word[i]))
                self.swap_pin_cache_locked(cpu, entry + i)
            folio_enters_cache(cpu, pfn, entry, word)
        swap_cache_unlock(cpu, entry)
        return err

    cdef void leave_unlock(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """Context: swap_cache_lock held, dropped here. The bit goes in the critical section that took the folio out."""
        put_cache_locked(cpu, self, entry, nr)
        swap_cache_unlock(cpu, entry)

    cdef uint32_t prepare_and_add(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint32_t memcg, bint charged, bint skip_if_exists) noexcept nogil:
        """Context: the new folio locked, the device pinned; may sleep."""
        cdef uint64_t shadow = 0, deletions
        cdef uint32_t found = 0
        cdef int err
        while True:
            err = self.swap_cache_add_folio(cpu, pfn, entry, &shadow, ADD_SWAPIN)
            if err != EEXIST:
                break
            deletions = cache_deletions(cpu)
            count(cpu, EV_SWAPCACHE_EEXIST)
            if skip_if_exists or folio_test_large(cpu, pfn):  # whoever cached one of its slots may have done so for itself alone
                break
            found = swap_cache_get_folio(cpu, entry)
            if found:
                break
            check_retry(cpu, entry, deletions)
        if err == 0 and not charged and mem_cgroup_swapin_charge_folio(cpu, pfn, memcg, entry) < 0:
            self.swap_cache_del_folio(cpu, pfn)
            err = ENOMEM
        if err < 0:
            if err == ENOENT:
                count(cpu, EV_SWAPCACHE_ENOENT)
            put_locked_folio(cpu, pfn)
            return found
        folio_swapped_in(cpu, pfn, entry, shadow)
        return pfn

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. A synchronous device takes no readahead."""
        if not synchronous_io(cpu, vmf.entry):
            return SWAPIN_READAHEAD
        return self.insert_and_read(cpu, vmf, alloc_swapin_folio(cpu, vmf, vmf.orders))

    cdef int insert_and_read(self, Cpu cpu, vm_fault *vmf, uint32_t own) noexcept nogil:
        """Read the fault's slot into a new folio, or find who reads it. Context: device pinned, folio locked; may sleep."""
        cdef swp_entry_t entry
        if not own:
            return SWAPIN_OOM
        entry = vmf.entry & ~<uint64_t>(folio_pages(cpu, own) - 1)
        vmf.spurious = folio_test_large(cpu, own)
        vmf.folio = self.prepare_and_add(cpu, own, entry, vmf.memcg, True, False)
        if vmf.folio == 0:
            return SWAPIN_OOM
        if vmf.folio == own:
            vmf.fresh = True
            swap_read_folio(cpu, own)
        return SWAPIN_FOLIO

    cdef bint should_try_to_free_swap(self, Cpu cpu, vm_fault *vmf, int extra_refs) noexcept nogil:
        """Context: folio locked, page-table lock held. On a synchronous device a second copy is a waste: always."""
        return synchronous_io(cpu, vmf.entry) or Base.should_try_to_free_swap(
            self, cpu, vmf, extra_refs)

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, page-table lock held. The PTE first: late racers find the folio, then a changed PTE."""
        set_present(cpu, vmf)
        swap_free_nr(cpu, self, vmf.start, vmf.nr)
        if self.should_try_to_free_swap(cpu, vmf, 1 + vmf.nr):  # the fault's own reference, and those of the PTEs
            self.folio_free_swap(cpu, vmf.folio)

    cdef void fault_unmapped(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: folio locked, page-table lock dropped; takes cluster lock. What was cached for this fault may be unused now."""
        self.folio_free_swap(cpu, vmf.folio)

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: none. Nothing was claimed."""

    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
        """Context: folio locked and frozen; cluster lock held, dropped here. The id is recorded while the slot cannot be free."""
        memcg1_swapout(cpu, self, pfn, entry)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), shadow)
        self.leave_unlock(cpu, entry, folio_pages(cpu, pfn))

    cdef void shmem_dup_swap(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """Context: folio locked and in the cache; takes the cluster lock. References as any other."""
        cdef uint32_t i
        for i in range(nr):
            folio_dup_swap(cpu, self, entry + i)

    cdef int shmem_swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned; may sleep. As a fault does; where the whole entry is not to be had, a single page."""
        cdef uint32_t own = shmem_alloc_large_folio(cpu, vmf) if synchronous_io(cpu, vmf.entry) else 0
        if own and self.insert_and_read(cpu, vmf, own) == SWAPIN_FOLIO:
            return SWAPIN_FOLIO
        return self.swapin_folio(cpu, vmf)

    cdef void shmem_put_swap(self, Cpu cpu, vm_fault *vmf, bint dirty) noexcept nogil:
        """Context: folio locked; takes cluster lock. The references first; the slots are freed when the cache lets go."""
        swap_free_nr(cpu, self, vmf.entry, folio_pages(cpu, vmf.folio))
        self.swap_cache_del_folio(cpu, vmf.folio)
        if dirty:
            folio_set(folio_of(cpu, vmf.folio), PG_DIRTY)

    cdef void swap_pin_cache_locked(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """What the swap cache pins the slot with, beside the word. Context: cluster lock held. The bit."""
        point(cpu, &cpu.m.swap_map[slot_of(cpu, entry)], WRITES)
        store8(&cpu.m.swap_map[slot_of(cpu, entry)], slot_byte(&cpu.m, slot_of(cpu, entry)) | SWAP_HAS_CACHE)
