"""An anonymous folio lies at the same pages in every mm of its anon_vma: the walk looks there in each of them."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport add_i32, cas_i32, load32, load64, load_i32, store32
from shm.folio cimport PG_ANON_EXCLUSIVE, PG_DIRTY, PG_SWAPBACKED, folio_t
from shm.mm cimport (
    MM_LIVE, MMLIST_NONE, MMLIST_ON, PTE_ACCESSED, PTE_DIRTY, anon_vma_has, anon_vma_t, pte_pfn, pte_present,
    swp_entry_to_pte,
)
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport NR_ANON_MAPPED
from workers.cpu cimport ADDS, READS, WRITES, Cpu, gauge, point
from workers.mm.page_alloc cimport (
    folio_clear, folio_of, folio_pages, folio_put, folio_set, folio_test, page_folio,
)
from workers.mm.protocol cimport Protocol
from workers.mm.swapfile cimport folio_dup_swap


cdef void folio_add_anon_rmap(Cpu cpu, uint32_t page, bint exclusive) noexcept nogil:
    """One more PTE maps the page. Context: page-table lock and a reference of its folio held."""
    cdef folio_t *folio = folio_of(cpu, page_folio(cpu, page))
    point(cpu, &folio.mapcount, ADDS)
    add_i32(&folio.mapcount, 1)
    if exclusive:
        folio_set(folio_of(cpu, page), PG_ANON_EXCLUSIVE)
    gauge(cpu, NR_ANON_MAPPED, 1)


cdef void folio_remove_rmap(Cpu cpu, uint32_t page) noexcept nogil:
    """One PTE less. Context: page-table lock held."""
    cdef folio_t *folio = folio_of(cpu, page_folio(cpu, page))
    point(cpu, &folio.mapcount, ADDS)
    add_i32(&folio.mapcount, -1)
    gauge(cpu, NR_ANON_MAPPED, -1)


cdef void declare_mm_user(Cpu cpu, uint32_t mm) noexcept nogil:
    """One user more or less is the next step. As long as nobody ends the mm none is the last one: then they commute.

    Context: no lock needed.
    """
    point(cpu, &cpu.m.mms[mm].state, READS)
    if load32(&cpu.m.mms[mm].state) != MM_LIVE:
        point(cpu, &cpu.m.mms[mm].mm_users, WRITES)


cdef bint mmget_not_zero(Cpu cpu, uint32_t mm) noexcept nogil:
    """A user of the address space, unless its last one is gone. Context: no lock needed."""
    cdef int32_t *users = &cpu.m.mms[mm].mm_users
    cdef int32_t seen
    declare_mm_user(cpu, mm)
    while True:
        seen = load_i32(users)
        if seen <= 0:
            return False
        if cas_i32(users, seen, seen + 1):
            return True


cdef void mmlist_add(Cpu cpu, uint32_t mm) noexcept nogil:
    """swapoff must visit this mm from now on. Context: page-table lock held; takes mmlist_lock."""
    if load32(&cpu.m.mms[mm].on_mmlist) != MMLIST_NONE:  # kernel: list_empty(&mm->mmlist)
        return
    cpu.lock(cpu.m.mmlist_lock)
    store32(&cpu.m.mms[mm].on_mmlist, MMLIST_ON)
    cpu.unlock(cpu.m.mmlist_lock)


cdef bint discard_page(Cpu cpu, uint32_t mm, uint32_t pfn, uint32_t page, uint32_t unmapped) noexcept nogil:
    """Take a page of a folio that was freed lazily from the mm. False: it was stored to since, or somebody else uses it.

    Context: folio locked and isolated, page-table lock held; the PTE's reference is the caller's to drop, beside those of
    `unmapped` PTEs before.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint64_t pte = load64(pte_of(cpu, mm, page))
    cdef int32_t references, mapped
    set_pte(cpu, mm, page, 0)
    if pte & PTE_DIRTY:
        folio_set(folio, PG_DIRTY)
    point(cpu, &folio.refcount, READS)
    references = load_i32(&folio.refcount)
    point(cpu, &folio.mapcount, READS)
    mapped = load_i32(&folio.mapcount)
    if folio_test(folio, PG_DIRTY):
        folio_set(folio, PG_SWAPBACKED)
    elif references == 1 + mapped + <int32_t>unmapped:
        folio_remove_rmap(cpu, pte_pfn(pte))
        return True
    set_pte(cpu, mm, page, pte)
    return False


cdef bint unmap_page(Cpu cpu, Protocol p, uint32_t mm, uint32_t pfn, uint32_t page, swp_entry_t entry) noexcept nogil:
    """Turn a present PTE into its swap entry. False: the slot took no further reference.

    Context: folio locked, anon_vma locked, page-table lock held; takes cluster lock, mmlist_lock.
    """
    cdef uint64_t pte = load64(pte_of(cpu, mm, page))
    cdef folio_t *mapped = folio_of(cpu, pte_pfn(pte))
    if folio_dup_swap(cpu, p, entry + (pte_pfn(pte) - pfn)) < 0:
        return False
    if pte & PTE_DIRTY:
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
    mmlist_add(cpu, mm)
    set_pte(cpu, mm, page, swp_entry_to_pte(entry + (pte_pfn(pte) - pfn), folio_test(mapped, PG_ANON_EXCLUSIVE)))
    folio_clear(mapped, PG_ANON_EXCLUSIVE)
    folio_remove_rmap(cpu, pte_pfn(pte))
    return True


cdef uint32_t first_mapped(Cpu cpu, uint32_t mm, uint32_t first, uint32_t nr) noexcept nogil:
    """The first of `nr` PTEs that is present, or the end of them. Context: a look; anon_vma locked."""
    cdef uint32_t page
    for page in range(first, first + nr):
        if pte_present(ptep_get(cpu, mm, page)):
            return page
    return first + nr


cdef bint unmap_one(Cpu cpu, Protocol p, uint32_t mm, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Turn the PTEs of `mm` that map the folio into swap entries, or into nothing if it was freed lazily. False: a slot took
    no further reference, or the folio stays.

    Context: folio locked, anon_vma locked; takes page-table lock, under it cluster lock and mmlist_lock.
    """
    cdef uint32_t nr = folio_pages(cpu, pfn), first = folio_of(cpu, pfn).index
    cdef uint32_t page = first_mapped(cpu, mm, first, nr), at, unmapped = 0
    cdef bint going_on = True
    if page == first + nr:
        return True
    pte_lock(cpu, mm, page)
    for at in range(page, first + nr):
        if pte_maps_folio(cpu, load64(pte_of(cpu, mm, at)), pfn):
            if folio_test(folio_of(cpu, pfn), PG_SWAPBACKED):
                going_on = unmap_page(cpu, p, mm, pfn, at, entry)
            else:
                going_on = discard_page(cpu, mm, pfn, at, unmapped)
            if not going_on:
                break
            unmapped += 1
    ptes_unlock(cpu, mm, page, first + nr)
    for at in range(unmapped):
        folio_put(cpu, pfn)
    return going_on


cdef bint try_to_unmap(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Every PTE that maps the folio becomes its swap entry. True when none maps it any more.

    Context: folio locked, in the swap cache or freed lazily; takes anon_vma lock.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef anon_vma_t *av = &cpu.m.anon_vmas[folio.anon_vma]
    cdef uint32_t mm
    cdef bint going_on = True
    cpu.lock(&av.lock)
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if not going_on or not folio_mapped(cpu, pfn):
            break
        if anon_vma_has(av, mm):
            going_on = unmap_one(cpu, p, mm, pfn, folio.swap)
    cpu.unlock(&av.lock)
    return not folio_mapped(cpu, pfn)


cdef uint32_t folio_referenced(Cpu cpu, uint32_t pfn) noexcept nogil:
    """How many PTEs have accessed the folio since the last look; their bits are cleared.

    Context: folio locked; takes anon_vma lock, under it page-table locks.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef anon_vma_t *av = &cpu.m.anon_vmas[folio.anon_vma]
    cdef uint32_t mm, page, nr = folio_pages(cpu, pfn), found = 0
    if not folio_mapped(cpu, pfn):
        return 0
    cpu.lock(&av.lock)
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if not anon_vma_has(av, mm):
            continue
        for page in range(folio.index, folio.index + nr):
            if not pte_maps_folio(cpu, ptep_get(cpu, mm, page), pfn):
                continue
            pte_lock(cpu, mm, page)
            if pte_maps_folio(cpu, load64(pte_of(cpu, mm, page)), pfn) and load64(pte_of(cpu, mm, page)) & PTE_ACCESSED:
                set_pte(cpu, mm, page, load64(pte_of(cpu, mm, page)) & ~<uint64_t>PTE_ACCESSED)
                found += 1
            pte_unlock(cpu, mm, page)
    cpu.unlock(&av.lock)
    return found
