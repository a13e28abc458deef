"""The steps of protocol.pxd with what each must do. Abstract: a protocol fills them in, most through protocols/base.

Errors are those of workers/mm/errno.pxd, with the one meaning that stands there.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.cluster cimport swap_cluster_info
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.errno cimport ENOMEM


cdef class Protocol:
    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Keep the slot's device from going while PIN_* looks at it. False: it goes. Context: no lock needed."""
        return False

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Let it go again. Context: pinned by pin_device with the same `who`."""

    cdef int swap_dup_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """One more reference. 0, -ENOENT (free or bad), -ENOMEM (swap_count_alloc would help). Context: cluster lock held."""
        return ENOMEM

    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """One reference less; a slot that nothing pins any more is freed. Context: cluster lock held."""

    cdef void swap_put_cache_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """The swap cache pins the slot no more; without references it is freed. Context: cluster lock held."""

    cdef int swap_count_alloc(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Memory for a count that has outgrown its first digit. 0 (also when the count has shrunk) or -ENOMEM.

        Context: a reference pins the slot; takes the cluster lock.
        """
        return ENOMEM

    cdef void cont_lock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """The digits of the slot's page of the map are ours (up to 7.0). Context: cluster lock held; takes cont_lock."""

    cdef void cont_unlock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock and cont_lock held; gives cont_lock back."""

    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil:
        """Make the `nr` free slots from `entry` on the folio's. False when the device is being swapped off.

        Context: folio locked; cluster lock held.
        """
        return False

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Put a locked folio in the swap cache. 0, -EEXIST, -ENOENT. `shadow` gets what the word held.

        Context: folio locked; takes the lock that guards the word.
        """
        return 0

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Take a folio out; its slot is freed when nobody refers to it. Context: folio locked, not under writeback."""

    cdef void leave_unlock(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """A folio is out of the cache: its slots are pinned by it no more. Context: swap_cache_lock held, dropped here."""

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil:
        """The cache folio of a slot: found, or new (`fresh`: locked, to be read). PFN_NONE: gone, or no memory.

        `skip_if_exists`: PFN_NONE too where somebody else brings the slot in: whoever reclaims must not wait for its own caller.
        Context: the device is pinned; no spinlock held; may sleep.
        """
        return 0

    cdef uint32_t prepare_and_add(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint32_t memcg, bint charged, bint skip_if_exists) noexcept nogil:
        """Insert the new folio, or find the one that is there (kernel: __swap_cache_prepare_and_add). PFN_NONE: neither.

        What is returned carries a reference; the new folio is let go when it is not what is returned.
        Context: the new folio locked, the device pinned; may sleep.
        """
        return 0

    cdef bint zswap_still_stored(self, Cpu cpu, swp_entry_t entry, uint32_t index) noexcept nogil:
        """Whether the entry of zswap is still that of the slot. Context: the slot's folio locked and in the swap cache."""
        return False

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Bring in the slot of a fault that missed the cache. SWAPIN_*. Context: device pinned, mmap_lock; may sleep."""
        return SWAPIN_READAHEAD

    cdef bint should_try_to_free_swap(self, Cpu cpu, vm_fault *vmf, int extra_refs) noexcept nogil:
        """Whether a fault drops the cache of what it mapped. `extra_refs`: the fault's own references.

        Context: folio locked, page-table lock held.
        """
        return False

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Exchange the swap PTE for the folio. Context: folio locked, page-table lock held; takes cluster lock."""

    cdef void fault_unmapped(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """A fault has locked the folio and does not map it. Context: folio locked, page-table lock dropped; takes cluster lock."""

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """The end of a swap fault, on every exit. Context: no lock held."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """A slot for a folio, and the folio in the cache (kernel: folio_alloc_swap). 0 or -ENOMEM.

        Context: folio locked, uptodate, not in the cache; takes cluster locks; slots in the way are reclaimed.
        """
        return ENOMEM

    cdef swp_entry_t split_entry(self, Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil:
        """The slot of a page of a folio that is being split; 0 when it is not in the cache.

        Context: folio locked and frozen; the lock that guards its words held.
        """
        return 0

    cdef uint32_t recorded_memcg(self, Cpu cpu, uint32_t memcg, uint32_t swap_memcg) noexcept nogil:
        """Whose id a slot gets: `swap_memcg` is charged for it, `memcg` for the folio. Context: folio locked."""
        return swap_memcg

    cdef bint remove_mapping(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Reclaim's last step: out of the cache, references frozen at 0. False: somebody uses it.

        Context: folio locked, unmapped, isolated; takes the lock that guards the word.
        """
        return False

    cdef void swap_cache_evict(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
        """Out of the cache, the charge to the slot, the slot unpinned: in the order of the version.

        Context: folio locked and frozen; swap_cache_lock held, dropped here.
        """

    cdef void mmlist_fork(self, Cpu cpu, uint32_t parent, uint32_t child) noexcept nogil:
        """What a fork does to the child's place on the mmlist before any swap entry is copied.

        Context: parent's mmap_lock held for writing.
        """

    cdef bint unuse_wants(self, Cpu cpu, uint64_t pte, uint32_t device) noexcept nogil:
        """Whether swapoff of `device` has to bring in what the PTE names. Context: a look, verified under the PTE's lock."""
        return False

    cdef bint move_matches(self, Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
        """Whether the folio that a move has found for an entry, and locked, is still the entry's. Context: folio locked."""
        return False

    cdef void shmem_dup_swap(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """A file refers to `nr` slots, which nobody did. Context: folio locked and in the cache; takes the cluster lock."""

    cdef void shmem_leave_page_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """The swap entry takes the folio's place in its mapping. Context: folio locked, in both caches; takes cluster lock,
        i_pages of the mapping."""

    cdef int shmem_swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Bring in the slot of a file's page that missed the cache. SWAPIN_*; SWAPIN_REFAULT: it is asked again at once.

        Context: device pinned; may sleep.
        """
        return SWAPIN_READAHEAD

    cdef void shmem_put_swap(self, Cpu cpu, vm_fault *vmf, bint dirty) noexcept nogil:
        """The mapping has the folio, or (not `dirty`) has lost it: the slot goes. Context: folio locked; takes cluster lock."""

    cdef void shmem_swapin_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """The end of a file's swap-in, on every exit. Context: the folio locked by us, if it came and is wanted."""

    cdef bint shmem_order_fits(self, Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
        """Whether a folio may take the place of an entry of that order. Context: folio locked."""
        return True

    cdef uint32_t shmem_freed_order(self, Cpu cpu, uint64_t seen, uint64_t word) noexcept nogil:
        """How many slots, as an order, go with the entry that a truncation erases: it was found as `seen`, and is `word`.

        Context: i_pages of the mapping held.
        """
        return 0

    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Free a folio's slot if nobody refers to it any more; the folio is dirty then, the only copy.

        Context: folio locked; takes cluster lock.
        """
        return False

    cdef bint drop_unused_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """try_to_reclaim_swap has locked the folio: drop the cache if nobody refers to the slot still. False: somebody does.

        Context: folio locked, in the cache; takes cluster lock.
        """
        return False

    cdef int try_to_reclaim_swap(self, Cpu cpu, swp_entry_t entry, int flags) noexcept nogil:
        """Drop the cache of a slot that only the cache pins. 1 reclaimed, -1 not, 0 nothing there. `flags`: TTRS_*.

        Context: the device is pinned; page-table lock may be held: folio lock by trylock only.
        """
        return 0

    cdef void free_swap_and_cache(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """A PTE that is being zapped gives its reference back; a slot left to its cache is reclaimed if that is easy.

        Context: page-table lock of the PTE held; takes cluster lock; folio lock by trylock.
        """
