"""The steps that all protocols up to 6.19 do alike, once each, and those that all do.

A version's own steps are in its file; what stands here is that of swap_map with SWAP_HAS_CACHE, the oldest form.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t, uint8_t

from shm.atomic cimport load32, load64, load8, load_i32, store8
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_WRITEBACK, folio_t
from shm.mm cimport is_swap_pte, pte_to_swp_entry
from shm.shmem cimport radix_order, swp_to_radix_entry
from shm.slots cimport slot_only_has_cache
from shm.swap_map cimport SLOTS_MAP_CACHE, SWAP_HAS_CACHE
from shm.swapfile cimport SWP_WRITEOK
from shm.swp_entry cimport swp_entry_t, swp_type
from shm.vmstat cimport EV_FREE_CACHE_ONLY, EV_SWAP_FULL, WARN_ADD_CACHED, WARN_COUNT_UNDERFLOW
from workers.cpu cimport WRITES, Cpu, count, point, warn
from workers.mm.errno cimport ENOMEM
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.memcontrol cimport mem_cgroup_try_charge_swap, slot_of, workingset_eviction
from workers.mm.memory cimport alloc_charged_folio, alloc_swap_folio
from workers.mm.page_alloc cimport (
    folio_of, folio_pages, folio_put, folio_put_refs, folio_ref_freeze, folio_ref_unfreeze, folio_set, folio_test,
)
from workers.mm.rmap cimport folio_mapped
from workers.mm.protocol cimport ADD_ALLOC, PIN_ZAP, SWAPIN_READAHEAD, TTRS_ANYWAY, TTRS_FULL, TTRS_UNMAPPED, Protocol, vm_fault
from workers.mm.shmem cimport shmem_delete_from_page_cache
from workers.mm.swap_alloc cimport swap_alloc_entry
from workers.mm.swap_count cimport add_swap_count_continuation, map_count_down, map_count_up
from workers.mm.zswap_pool cimport zswap_tree_load
from workers.mm.swap_state cimport (
    folio_leaves_cache, folio_matches_swap_entry, folio_swapped, mem_cgroup_swap_full, swap_cache_get_folio, swap_entry_swapped,
)
from workers.mm.swapfile cimport (
    get_swap_device, put_swap_device, put_swap_folio, si_of, swap_cache_lock, swap_cache_unlock, swap_cluster_lock,
    swap_cluster_unlock, swap_entry_free_locked, swap_free_nr, swap_shmem_alloc, swap_word,
)


cdef swp_entry_t find_slots(Cpu cpu, Protocol p, uint32_t pfn, uint32_t order) noexcept nogil:
    """2^order slots for the folio, taken as the protocol takes them: the first; 0 when swap is full.

    Context: folio locked, uptodate, not in the cache; takes cluster locks, folio locks by trylock; may sleep.
    """
    cdef swp_entry_t entry = swap_alloc_entry(cpu, p, pfn, order)
    if not entry:
        count(cpu, EV_SWAP_FULL)
    return entry


cdef class Base(Protocol):
    def __cinit__(self):
        self.slot_format = SLOTS_MAP_CACHE
        self.map_shmem = True

    cdef bint pin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: no lock needed. By a reference that swapoff waits for."""
        return get_swap_device(cpu, entry)

    cdef void unpin_device(self, Cpu cpu, swp_entry_t entry, int who) noexcept nogil:
        """Context: pinned by pin_device."""
        put_swap_device(cpu, swp_type(entry))

    cdef int swap_dup_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held; takes cont_lock when the count is carried on."""
        return map_count_up(cpu, self, entry)

    cdef void swap_put_entry_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. The slot is free when its byte is 0: neither count nor bit."""
        if map_count_down(cpu, self, entry) and load8(&cpu.m.swap_map[slot_of(cpu, entry)]) == 0:
            swap_entry_free_locked(cpu, ci, entry)

    cdef void swap_put_cache_locked(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held. The bit goes, and with it a slot that has no count."""
        cdef uint8_t *byte = &cpu.m.swap_map[slot_of(cpu, entry)]
        if not load8(byte) & SWAP_HAS_CACHE:
            warn(cpu, WARN_COUNT_UNDERFLOW, entry, load8(byte), SWAP_HAS_CACHE)
        elif load8(byte) == SWAP_HAS_CACHE:
            swap_entry_free_locked(cpu, ci, entry)
        else:
            point(cpu, byte, WRITES)
            store8(byte, load8(byte) & ~SWAP_HAS_CACHE)

    cdef int swap_count_alloc(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: a reference pins the slot; takes the cluster lock, under it cont_lock. A continuation page."""
        return add_swap_count_continuation(cpu, self, entry)

    cdef void cont_lock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock held; takes cont_lock, one for the whole device: clusters share the pages."""
        cpu.lock(&si_of(cpu, entry).cont_lock)

    cdef void cont_unlock(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: cluster lock and cont_lock held."""
        cpu.unlock(&si_of(cpu, entry).cont_lock)

    cdef bint cluster_alloc_range(self, Cpu cpu, swap_cluster_info *ci, swp_entry_t entry, uint32_t pfn, uint32_t nr) noexcept nogil:
        """Context: folio locked; cluster lock held. The slots get the bit (W_res opens: allocated, not yet cached)."""
        cdef uint32_t i
        if not load32(&si_of(cpu, entry).flags) & SWP_WRITEOK:
            return False
        for i in range(nr):
            point(cpu, &cpu.m.swap_map[slot_of(cpu, entry + i)], WRITES)
            store8(&cpu.m.swap_map[slot_of(cpu, entry + i)], SWAP_HAS_CACHE)
        cpu.my.reserved_entry = entry
        cpu.my.reserved_nr = nr
        return True

    cdef void swap_cache_del_folio(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked, a reference of the caller beside the cache's; takes the lock of the word, then cluster lock."""
        cdef swp_entry_t entry = folio_of(cpu, pfn).swap
        swap_cache_lock(cpu, entry)
        folio_leaves_cache(cpu, pfn, entry, swap_word(cpu, entry), 0)
        self.leave_unlock(cpu, entry, folio_pages(cpu, pfn))
        folio_put_refs(cpu, pfn, folio_pages(cpu, pfn))

    cdef uint32_t swap_cache_alloc_folio(self, Cpu cpu, swp_entry_t entry, uint32_t memcg, bint *fresh, bint skip_if_exists) noexcept nogil:
        """Context: the device is pinned; may sleep. A look finds most folios, and most slots that are gone."""
        cdef uint32_t pfn = swap_cache_get_folio(cpu, entry), own
        fresh[0] = False
        if pfn or not swap_entry_swapped(cpu, entry):
            return pfn
        own = alloc_charged_folio(cpu, memcg, entry) if self.charges_first else alloc_swap_folio(cpu)
        if not own:
            return 0
        pfn = self.prepare_and_add(cpu, own, entry, memcg, self.charges_first, skip_if_exists)
        fresh[0] = pfn == own
        return pfn

    cdef bint zswap_still_stored(self, Cpu cpu, swp_entry_t entry, uint32_t index) noexcept nogil:
        """Context: the slot's folio locked and in the swap cache: nobody stores, loads or frees. By the entry's own index."""
        return zswap_tree_load(cpu, entry) == index

    cdef bint should_try_to_free_swap(self, Cpu cpu, vm_fault *vmf, int extra_refs) noexcept nogil:
        """Context: folio locked, page-table lock held. When swap is short, and for a store to a page that nobody else has."""
        return mem_cgroup_swap_full(cpu, vmf.folio) or (
            vmf.write and load_i32(&folio_of(cpu, vmf.folio).refcount) == extra_refs + <int>folio_pages(cpu, vmf.folio))

    cdef void fault_unmapped(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: none. Nothing: the cache keeps it until reclaim comes (up to 6.19)."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster locks. The slot is allocated first and the folio put in the cache after it."""
        cdef swp_entry_t entry = find_slots(cpu, self, pfn, folio_of(cpu, pfn).order)
        if not entry:
            return ENOMEM
        if mem_cgroup_try_charge_swap(cpu, self, pfn, entry) < 0:
            put_swap_folio(cpu, self, entry, folio_pages(cpu, pfn))
            cpu.my.reserved_entry = cpu.my.reserved_nr = 0
            return ENOMEM
        if self.swap_cache_add_folio(cpu, pfn, entry, NULL, ADD_ALLOC) < 0:
            warn(cpu, WARN_ADD_CACHED, entry, pfn, 0)
            put_swap_folio(cpu, self, entry, folio_pages(cpu, pfn))
            cpu.my.reserved_entry = cpu.my.reserved_nr = 0
            return ENOMEM
        cpu.my.reserved_entry = cpu.my.reserved_nr = 0
        return 0

    cdef swp_entry_t split_entry(self, Cpu cpu, uint32_t pfn, uint32_t page) noexcept nogil:
        """Context: folio locked and frozen; the lock that guards its words held. As many after the head's as the page is."""
        return load64(&folio_of(cpu, pfn).swap) + page if folio_test(folio_of(cpu, pfn), PG_SWAPCACHE) else 0

    cdef uint32_t recorded_memcg(self, Cpu cpu, uint32_t memcg, uint32_t swap_memcg) noexcept nogil:
        """Context: folio locked. Of whom the counter says that it was charged."""
        return swap_memcg

    cdef bint remove_mapping(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes the lock of the word. A frozen folio is nobody's: every lookup spins until it is out."""
        cdef swp_entry_t entry = folio_of(cpu, pfn).swap
        cdef int32_t refs = 1 + <int32_t>folio_pages(cpu, pfn)
        swap_cache_lock(cpu, entry)
        if not folio_ref_freeze(cpu, pfn, refs):
            swap_cache_unlock(cpu, entry)
            return False
        if folio_test(folio_of(cpu, pfn), PG_DIRTY):
            folio_ref_unfreeze(cpu, pfn, refs)
            swap_cache_unlock(cpu, entry)
            return False
        self.swap_cache_evict(cpu, pfn, entry, workingset_eviction(cpu, pfn))
        return True

    cdef void mmlist_fork(self, Cpu cpu, uint32_t parent, uint32_t child) noexcept nogil:
        """Context: parent's mmap_lock held for writing. Nothing: only a swap entry that is copied puts the child there."""

    cdef bint unuse_wants(self, Cpu cpu, uint64_t pte, uint32_t device) noexcept nogil:
        """Context: a look. A swap entry of that device, and nothing else."""
        return is_swap_pte(pte) and swp_type(pte_to_swp_entry(pte)) == device

    cdef bint move_matches(self, Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
        """Context: folio locked. What was looked up without a lock may be another slot's by now."""
        return folio_matches_swap_entry(cpu, pfn, entry)

    cdef void shmem_dup_swap(self, Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
        """Context: folio locked and in the cache; takes the cluster lock. SWAP_MAP_SHMEM, which is never counted (up to 6.19)."""
        swap_shmem_alloc(cpu, entry, nr)

    cdef void shmem_leave_page_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked, in both caches; takes cluster lock, i_pages. The reference first: a truncation finds it."""
        self.shmem_dup_swap(cpu, load64(&folio_of(cpu, pfn).swap), folio_pages(cpu, pfn))
        shmem_delete_from_page_cache(cpu, pfn, swp_to_radix_entry(load64(&folio_of(cpu, pfn).swap)))

    cdef int shmem_swapin_folio(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: the device is pinned. Through readahead, whatever the device (up to 6.13)."""
        return SWAPIN_READAHEAD

    cdef void shmem_put_swap(self, Cpu cpu, vm_fault *vmf, bint dirty) noexcept nogil:
        """Context: folio locked; takes cluster lock. The cache first, then the references, which frees the slots (up to 6.19)."""
        self.swap_cache_del_folio(cpu, vmf.folio)
        if dirty:
            folio_set(folio_of(cpu, vmf.folio), PG_DIRTY)
        swap_free_nr(cpu, self, vmf.entry, folio_pages(cpu, vmf.folio))

    cdef void shmem_swapin_done(self, Cpu cpu, vm_fault *vmf) noexcept nogil:
        """Context: none. Nothing was claimed."""

    cdef bint shmem_order_fits(self, Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
        """Context: folio locked. Any: the words say whether the entries are those of its slots."""
        return True

    cdef uint32_t shmem_freed_order(self, Cpu cpu, uint64_t seen, uint64_t word) noexcept nogil:
        """Context: i_pages of the mapping held. As the entry is now: it may have been split since it was seen."""
        return radix_order(word)

    cdef bint folio_free_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock. The count cannot rise: 0 to 1 needs the folio lock."""
        cdef folio_t *folio = folio_of(cpu, pfn)
        if not folio_test(folio, PG_SWAPCACHE) or folio_test(folio, PG_WRITEBACK):
            return False
        if folio_swapped(cpu, pfn):
            return False
        self.swap_cache_del_folio(cpu, pfn)
        folio_set(folio, PG_DIRTY)
        return True

    cdef bint drop_unused_cache(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster lock. The count may have risen since the caller saw it fall to 0."""
        return self.folio_free_swap(cpu, pfn)

    cdef int try_to_reclaim_swap(self, Cpu cpu, swp_entry_t entry, int flags) noexcept nogil:
        """Context: the device is pinned; page-table lock may be held: folio lock by trylock only."""
        cdef uint32_t pfn
        cdef int result = -1
        while True:
            pfn = swap_cache_get_folio(cpu, entry)
            if pfn == 0:
                return 0
            if not folio_trylock(cpu, pfn):
                folio_put(cpu, pfn)
                return -1
            if folio_matches_swap_entry(cpu, pfn, entry):
                break
            folio_unlock(cpu, pfn)
            folio_put(cpu, pfn)
        if flags & TTRS_ANYWAY or (flags & TTRS_UNMAPPED and not folio_mapped(cpu, pfn)) or (
                flags & TTRS_FULL and mem_cgroup_swap_full(cpu, pfn)):
            if self.drop_unused_cache(cpu, pfn):
                count(cpu, EV_FREE_CACHE_ONLY)
                result = 1
        folio_unlock(cpu, pfn)
        folio_put(cpu, pfn)
        return result

    cdef void free_swap_and_cache(self, Cpu cpu, swp_entry_t entry) noexcept nogil:
        """Context: page-table lock of the PTE held; takes cluster lock; folio lock by trylock."""
        cdef swap_cluster_info *ci
        cdef bint cache_only
        if not self.pin_device(cpu, entry, PIN_ZAP):
            return
        ci = swap_cluster_lock(cpu, entry)
        self.swap_put_entry_locked(cpu, ci, entry)
        cache_only = slot_only_has_cache(&cpu.m, slot_of(cpu, entry))
        swap_cluster_unlock(cpu, entry)
        if cache_only:
            self.try_to_reclaim_swap(cpu, entry, TTRS_UNMAPPED | TTRS_FULL)
        self.unpin_device(cpu, entry, PIN_ZAP)
