"""The steps that all protocols do alike, once each; the steps that differ are abstract here.

The errors of the steps are those of workers/mm/errno.pxd, with the one meaning that stands there.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, load_i32, store64
from shm.folio cimport PG_DIRTY, PG_SWAPBACKED, PG_SWAPCACHE, PG_WRITEBACK, folio_t
from shm.mm cimport PTE_DIRTY, PTE_SWP_EXCLUSIVE, mk_pte
from shm.swap_map cimport SWAP_HAS_CACHE, swap_count
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.vmstat cimport EV_FREE_CACHE_ONLY, EV_SWAP_FULL, WARN_ADD_CACHED
from workers.cpu cimport Cpu, count, warn
from workers.mm.errno cimport ENOMEM
from workers.mm.filemap cimport folio_lock_new, folio_trylock, folio_unlock
from workers.mm.memcontrol cimport mem_cgroup_try_charge_swap
from workers.mm.page_alloc cimport alloc_folio, folio_get, folio_of, folio_put, folio_set, folio_test
from workers.mm.rmap cimport folio_add_anon_rmap, pte_of
from workers.mm.swap_alloc cimport swap_alloc_entry
from workers.mm.swap_state cimport folio_matches_swap_entry, mem_cgroup_swap_full, swap_cache_get_folio
from workers.mm.swapfile cimport (
    get_swap_device, put_swap_device, put_swap_folio, swap_cluster_lock, swap_cluster_unlock, swap_entry_put_locked,
    swap_map_get,
)

cdef enum:
    CACHE_ONLY_TRIES = 64  # slots reclaimed for one allocation before it gives up


cdef class Protocol:
    """Abstract: each protocol fills the steps that differ, in the order of base.pxd."""

    cdef int swap_cache_add_folio(self, Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t *shadow, int how) noexcept nogil:
        """Put a locked folio in the swap cache. 0, -EEXIST, -ENOENT. `shadow` gets what the word held.

        Context: folio locked; takes the lock that guards the word.
        """
        return 0

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Take a folio out; its slot is freed when nobody refers to it. Context: folio locked, not under writeback."""

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil:
        """The cache folio of a slot: found, or new (`fresh`: locked, to be read). PFN_NONE: gone, or no memory.

        Context: the device is pinned; no spinlock held; may sleep.
        """
        return 0

    cdef int swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Bring in the slot of a fault that missed the cache. SWAPIN_*. Context: device pinned, mmap_lock; may sleep."""
        return SWAPIN_READAHEAD

    cdef bint remove_mapping(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Reclaim's last step: out of the cache, references frozen at 0. False: somebody uses it.

        Context: folio locked, unmapped, isolated; takes the lock that guards the word.
        """
        return False

    cdef bint should_try_to_free_swap(self, Cpu cpu, vm_fault *vmf, int extra_refs) noexcept nogil:
        """Whether a fault drops the cache of what it mapped: always when swap is short, and for a store to a page that
        nobody has but the cache and this fault, whose references are `extra_refs`.

        Context: folio locked, page-table lock held.
        """
        return mem_cgroup_swap_full(cpu, vmf.folio) or (vmf.write and load_i32(&folio_of(cpu, vmf.folio).refcount) == extra_refs + 1)

    cdef void map_swapped_in(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Exchange the swap PTE for the folio. Context: folio locked, page-table lock held; takes cluster lock."""

    cdef void fault_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """The end of a swap fault, on every exit. Context: no lock held."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """A slot for a folio, and the folio in the cache (kernel: folio_alloc_swap). 0 or -ENOMEM.

        Context: folio locked, uptodate, not in the cache; takes cluster locks; slots in the way are reclaimed.
        """
        cdef swp_entry_t entry = 0, cache_only = 0
        cdef uint32_t tries
        for tries in range(CACHE_ONLY_TRIES):
            entry = swap_alloc_entry(cpu, &cache_only)
            if entry or not cache_only:
                break
            if get_swap_device(cpu, cache_only):
                self.try_to_reclaim_swap(cpu, cache_only, TTRS_ANYWAY)
                put_swap_device(cpu, swp_type(cache_only))
        if not entry:
            count(cpu, EV_SWAP_FULL)
            return ENOMEM
        if mem_cgroup_try_charge_swap(cpu, pfn, entry) < 0:
            put_swap_folio(cpu, entry)
            cpu.my.reserved_entry = 0
            return ENOMEM
        if self.swap_cache_add_folio(cpu, pfn, entry, NULL, ADD_ALLOC) < 0:
            warn(cpu, WARN_ADD_CACHED, entry, pfn, 0)
            put_swap_folio(cpu, entry)
            cpu.my.reserved_entry = 0
            return ENOMEM
        cpu.my.reserved_entry = 0
        return 0

    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Free a folio's slot if nobody refers to it any more; the folio is dirty then, the only copy.

        Context: folio locked; takes cluster lock.
        """
        cdef folio_t *folio = folio_of(cpu, pfn)
        cdef swp_entry_t entry = load64(&folio.swap)
        cdef bint referenced
        if not folio_test(folio, PG_SWAPCACHE) or folio_test(folio, PG_WRITEBACK):
            return False
        swap_cluster_lock(cpu, entry)
        referenced = swap_count(swap_map_get(cpu, entry)) != 0
        swap_cluster_unlock(cpu, entry)
        if referenced:
            return False
        self.swap_cache_del_folio(cpu, pfn)
        folio_set(folio, PG_DIRTY)
        return True

    cdef int try_to_reclaim_swap(self, Cpu cpu, swp_entry_t entry, int flags) noexcept nogil:
        """Drop the cache of a slot that only the cache pins. 1 reclaimed, -1 not, 0 nothing there.

        Context: the device is pinned; page-table lock may be held: folio lock by trylock only.
        """
        cdef uint32_t pfn
        cdef folio_t *folio
        cdef int result = -1
        while True:
            pfn = swap_cache_get_folio(cpu, entry)
            if pfn == 0:
                return 0
            folio = folio_of(cpu, pfn)
            if not folio_trylock(cpu, pfn):
                folio_put(cpu, pfn)
                return -1
            if folio_matches_swap_entry(cpu, pfn, entry):
                break
            folio_unlock(cpu, pfn)
            folio_put(cpu, pfn)
        if flags & TTRS_ANYWAY or (flags & TTRS_UNMAPPED and load_i32(&folio.mapcount) == 0) or (
                flags & TTRS_FULL and mem_cgroup_swap_full(cpu, pfn)):
            if self.folio_free_swap(cpu, pfn):
                count(cpu, EV_FREE_CACHE_ONLY)
                result = 1
        folio_unlock(cpu, pfn)
        folio_put(cpu, pfn)
        return result

    cdef void free_swap_and_cache(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """A PTE that is being zapped gives its reference back; a slot left to its cache is reclaimed if that is easy.

        Context: page-table lock of the PTE held; takes cluster lock; folio lock by trylock.
        """
        cdef swap_cluster_info *ci
        cdef bint cache_only
        if not get_swap_device(cpu, entry):
            return
        ci = swap_cluster_lock(cpu, entry)
        swap_entry_put_locked(cpu, ci, entry, 1)
        cache_only = swap_map_get(cpu, entry) == SWAP_HAS_CACHE
        swap_cluster_unlock(cpu, entry)
        if cache_only:
            self.try_to_reclaim_swap(cpu, entry, TTRS_UNMAPPED | TTRS_FULL)
        put_swap_device(cpu, swp_type(entry))

    cdef void set_present(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Write the present PTE: writable when nobody else can have the page. Context: folio locked, page-table lock held."""
        cdef folio_t *folio = folio_of(cpu, vmf.folio)
        cdef bint exclusive = (vmf.orig_pte & PTE_SWP_EXCLUSIVE) != 0 or load_i32(&folio.refcount) == 1
        cdef uint64_t pte = mk_pte(vmf.folio, exclusive)
        if exclusive and vmf.write:
            pte |= PTE_DIRTY
        folio_get(cpu, vmf.folio)
        folio_add_anon_rmap(cpu, vmf.folio, exclusive)
        store64(pte_of(cpu, vmf.mm, vmf.page), pte)

    cdef uint32_t new_swapin_folio(self, Cpu cpu) noexcept nogil:
        """A folio to read into: locked, swap-backed, nobody's yet; PFN_NONE. Context: no spinlock held; may sleep."""
        cdef uint32_t pfn = alloc_folio(cpu)
        if pfn:
            folio_lock_new(cpu, pfn)
            folio_set(folio_of(cpu, pfn), PG_SWAPBACKED)
        return pfn
