"""A folio to read into, and the PTE that maps it in the end."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, load8, load_i32, store32, store64
from shm.folio cimport PG_ACTIVE, PG_ANON, PG_CLAIMED, PG_SWAPBACKED, folio_t
from shm.mm cimport PTE_DIRTY, PTE_SWP_EXCLUSIVE, is_swap_pte, mk_pte, pte_to_swp_entry
from shm.slots cimport slot_is_zero
from shm.swap_map cimport SLOTS_MAP_CACHE, SWAP_HAS_CACHE
from shm.swap_table cimport swp_tb_is_folio, swp_tb_is_shadow, swp_tb_to_shadow
from shm.swp_entry cimport swp_entry_t, swp_offset
from shm.vmstat cimport EV_SWPIN_FALLBACK, EV_SWPIN_LARGE
from shm.zone cimport MAX_FOLIO_ORDER
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.checks cimport present_generation
from workers.mm.filemap cimport folio_lock_new, folio_unlock
from workers.mm.memcontrol cimport (
    lookup_swap_cgroup_id, mem_cgroup_swapin_charge_folio, memcg1_swapin, slot_of, workingset_refault,
)
from workers.mm.page_alloc cimport (
    alloc_folio, alloc_large_folio, folio_clear, folio_get, folio_of, folio_pages, folio_put, folio_set, folio_test,
)
from workers.mm.page_io cimport swap_read_folio
from workers.mm.vma cimport vma_has_range
from workers.mm.protocol cimport vm_fault
from workers.mm.rmap cimport folio_add_anon_rmap, pte_lock, pte_of, pte_unlock, set_pte
from workers.mm.swapfile cimport swap_word
from workers.mm.vmscan_lists cimport lru_add


cdef uint32_t alloc_swap_folio(Cpu cpu) noexcept nogil:
    """A folio to read into: locked, swap-backed, nobody's yet; PFN_NONE. Context: no spinlock held; may sleep."""
    cdef uint32_t pfn = alloc_folio(cpu)
    if pfn:
        folio_lock_new(cpu, pfn)
        folio_set(folio_of(cpu, pfn), PG_SWAPBACKED)
    return pfn


cdef void put_locked_folio(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Unlock a folio and give its reference back. Context: folio locked by us, the reference ours."""
    folio_unlock(cpu, pfn)
    folio_put(cpu, pfn)


cdef uint32_t alloc_charged_folio(Cpu cpu, uint32_t memcg, swp_entry_t entry) noexcept nogil:
    """A folio to read the slot into, charged to whom the slot is recorded for, else to `memcg`; PFN_NONE.

    Context: the device is pinned; no spinlock held; may sleep.
    """
    cdef uint32_t pfn = alloc_swap_folio(cpu)
    if pfn and mem_cgroup_swapin_charge_folio(cpu, pfn, memcg, entry) < 0:
        put_locked_folio(cpu, pfn)
        return 0
    return pfn


cdef bint same_but_offset(uint64_t first, uint64_t pte, uint32_t by) noexcept nogil:
    """Whether a swap PTE names the slot `by` after that of `first`, and all its bits are the same."""
    return is_swap_pte(pte) and pte == first + (<uint64_t>by << 9)


cdef bint slot_in_cache(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Whether somebody caches the slot, or has claimed it. Context: a look; the device is pinned."""
    cdef uint64_t *word
    if cpu.m.geo.slot_format == SLOTS_MAP_CACHE:
        point(cpu, &cpu.m.swap_map[slot_of(cpu, entry)], READS)
        return (load8(&cpu.m.swap_map[slot_of(cpu, entry)]) & SWAP_HAS_CACHE) != 0
    word = swap_word(cpu, entry)
    point(cpu, word, READS)
    return word != NULL and swp_tb_is_folio(load64(word))


cdef bint none_in_cache(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Whether nobody caches any of the slots (kernel: non_swapcache_batch). Context: as slot_in_cache."""
    cdef uint32_t i
    for i in range(nr):
        if slot_in_cache(cpu, entry + i):
            return False
    return True


cdef bint can_swapin_thp(Cpu cpu, vm_fault *vmf, uint32_t nr) noexcept nogil:
    """Whether the aligned range of `nr` pages around the fault lies in as many slots that nobody caches, of one memcg, all
    of them in the zero-filled map or none.

    Context: the device is pinned; page-table lock held.
    """
    cdef uint32_t first = vmf.page & ~(nr - 1), i
    cdef uint64_t pte = load64(pte_of(cpu, vmf.mm, first))
    cdef swp_entry_t entry
    if not is_swap_pte(pte) or not same_but_offset(pte, vmf.orig_pte, vmf.page - first):
        return False
    entry = pte_to_swp_entry(pte)
    if cpu.m.geo.zeromap:
        for i in range(0, nr, 32):  # a word of the map; a range lies in aligned slots
            point(cpu, &cpu.m.zeromap[slot_of(cpu, entry + i) >> 5], READS)
    for i in range(nr):
        if not same_but_offset(pte, load64(pte_of(cpu, vmf.mm, first + i)), i) or (
                lookup_swap_cgroup_id(cpu, entry + i) != lookup_swap_cgroup_id(cpu, entry)) or (
                slot_is_zero(&cpu.m, slot_of(cpu, entry + i)) != slot_is_zero(&cpu.m, slot_of(cpu, entry))):
            return False
    return none_in_cache(cpu, entry, nr)


cdef uint64_t suitable_orders(Cpu cpu, vm_fault *vmf, uint64_t orders) noexcept nogil:
    """Those orders in which fault and slot are aligned alike, and the range lies in one VMA and in one cluster.

    Context: mmap_lock held.
    """
    cdef uint32_t order, nr
    cdef uint64_t found = 0
    for order in range(1, MAX_FOLIO_ORDER + 1):
        nr = <uint32_t>1 << order
        if orders >> order & 1 and nr <= cpu.m.geo.cluster_slots and ((vmf.page ^ swp_offset(vmf.entry)) & (nr - 1)) == 0 and (
                vma_has_range(cpu, vmf.mm, vmf.page & ~(nr - 1), nr)):
            found |= <uint64_t>1 << order
    return found


cdef uint32_t alloc_large_charged_folio(Cpu cpu, uint32_t order, uint32_t memcg, swp_entry_t entry) noexcept nogil:
    """As alloc_charged_folio, for 2^order slots, without reclaim for the block. Context: the device is pinned; may sleep."""
    cdef uint32_t pfn = alloc_large_folio(cpu, order)
    if pfn and mem_cgroup_swapin_charge_folio(cpu, pfn, memcg, entry) == 0:
        folio_lock_new(cpu, pfn)
        folio_set(folio_of(cpu, pfn), PG_SWAPBACKED)
        count(cpu, EV_SWPIN_LARGE)
        return pfn
    if pfn:
        folio_put(cpu, pfn)
    count(cpu, EV_SWPIN_FALLBACK)
    return 0


cdef uint32_t alloc_swapin_folio(Cpu cpu, vm_fault *vmf, uint64_t orders) noexcept nogil:
    """A folio to read the fault's slot into, locked and charged, as large as `orders`, page table and swap cache allow
    (kernel: alloc_swap_folio); PFN_NONE. zswap loads single pages alone.

    Context: the device is pinned, mmap_lock held; takes page-table lock; may sleep.
    """
    cdef uint64_t left = suitable_orders(cpu, vmf, orders) if orders and cpu.m.geo.zswap_pages == 0 else 0
    cdef uint32_t order = MAX_FOLIO_ORDER, pfn
    if left:
        pte_lock(cpu, vmf.mm, vmf.page)
        while order and not (left >> order & 1 and can_swapin_thp(cpu, vmf, <uint32_t>1 << order)):
            order -= 1
        pte_unlock(cpu, vmf.mm, vmf.page)
        while order:
            if left >> order & 1:
                pfn = alloc_large_charged_folio(cpu, order, vmf.memcg, vmf.entry)
                if pfn:
                    return pfn
            order -= 1
    return alloc_charged_folio(cpu, vmf.memcg, vmf.entry)


cdef void folio_swapped_in(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint64_t shadow) noexcept nogil:
    """The new folio is its slots': the charge for them goes, the shadow (0: none) tells of a refault, a list has the folio.

    Context: folio locked, its slots pinned; takes lruvec lock.
    """
    memcg1_swapin(cpu, entry, folio_pages(cpu, pfn))
    if shadow:
        workingset_refault(cpu, pfn, shadow)
    lru_add(cpu, pfn, folio_test(folio_of(cpu, pfn), PG_ACTIVE))


cdef void read_bypass(Cpu cpu, vm_fault *vmf, uint32_t own, swp_entry_t entry) noexcept nogil:
    """Read slots from `entry` on into the fault's private folio, which no lookup finds (up to 6.19). bypass_done ends it.

    Context: device pinned, folio locked; may sleep.
    """
    cdef uint64_t *word = swap_word(cpu, entry)
    vmf.bypass = vmf.fresh = True
    vmf.folio = own
    folio_swapped_in(cpu, own, entry, swp_tb_to_shadow(load64(word)) if word != NULL and swp_tb_is_shadow(load64(word)) else 0)
    folio_set(folio_of(cpu, own), PG_CLAIMED)
    store64(&folio_of(cpu, own).swap, entry)
    vmf.generation = present_generation(cpu, vmf.entry)  # from here on a free is one behind the reader's back
    swap_read_folio(cpu, own)


cdef void bypass_done(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The folio of a bypass has no slot any more. Context: nobody but the fault knows its slot."""
    store64(&folio_of(cpu, pfn).swap, 0)
    folio_clear(folio_of(cpu, pfn), PG_CLAIMED)


cdef void map_one(vm_fault *vmf, uint32_t subpage) noexcept nogil:
    """What is mapped is one page: the one that faulted, which is the folio's `subpage`."""
    vmf.first = vmf.page
    vmf.start = vmf.entry
    vmf.subpage = subpage
    vmf.nr = 1


cdef void folio_becomes_anon(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """The folio is where the fault finds it, in all mms of the anon_vma. Context: folio locked, page-table lock held."""
    cdef folio_t *folio = folio_of(cpu, vmf.folio)
    store32(&folio.index, vmf.first - vmf.subpage)
    store32(&folio.anon_vma, cpu.m.mms[vmf.mm].anon_vma)
    folio_set(folio, PG_ANON)


cdef void set_present(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """Write the present PTEs: writable when nobody else can have the pages. Context: folio locked, page-table lock held."""
    cdef folio_t *folio = folio_of(cpu, vmf.folio)
    cdef bint exclusive = (vmf.orig_pte & PTE_SWP_EXCLUSIVE) != 0 or load_i32(&folio.refcount) == 1
    cdef uint64_t pte
    cdef uint32_t i
    for i in range(vmf.nr):
        pte = mk_pte(vmf.folio + vmf.subpage + i, exclusive)
        if exclusive and vmf.write:
            pte |= PTE_DIRTY
        folio_get(cpu, vmf.folio)
        folio_add_anon_rmap(cpu, vmf.folio + vmf.subpage + i, exclusive)
        set_pte(cpu, vmf.mm, vmf.first + i, pte)
