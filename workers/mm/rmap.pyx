"""An anonymous page lies at the same index in every mm of its anon_vma: the walk looks there in each of them."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport add_i32, cas_i32, load32, load64, load_i32, store32
from shm.folio cimport PG_ANON_EXCLUSIVE, PG_DIRTY, PG_SWAPBACKED, folio_t
from shm.mm cimport (
    MM_LIVE, MMLIST_NONE, MMLIST_ON, PTE_ACCESSED, PTE_DIRTY, anon_vma_t, pte_pfn, pte_present, swp_entry_to_pte,
)
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport NR_ANON_MAPPED
from workers.cpu cimport ADDS, READS, WRITES, Cpu, gauge, point
from workers.mm.page_alloc cimport folio_clear, folio_of, folio_put, folio_set, folio_test
from workers.mm.protocol cimport Protocol
from workers.mm.swapfile cimport folio_dup_swap


cdef void folio_add_anon_rmap(Cpu cpu, uint32_t pfn, bint exclusive) noexcept nogil:
    """One more PTE maps it. Context: page-table lock and folio reference held."""
    point(cpu, &folio_of(cpu, pfn).mapcount, ADDS)
    add_i32(&folio_of(cpu, pfn).mapcount, 1)
    if exclusive:
        folio_set(folio_of(cpu, pfn), PG_ANON_EXCLUSIVE)
    gauge(cpu, NR_ANON_MAPPED, 1)


cdef void folio_remove_rmap(Cpu cpu, uint32_t pfn) noexcept nogil:
    """One PTE less. Context: page-table lock held."""
    point(cpu, &folio_of(cpu, pfn).mapcount, ADDS)
    add_i32(&folio_of(cpu, pfn).mapcount, -1)
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


cdef bint discard_one(Cpu cpu, uint32_t mm, uint32_t pfn, uint64_t pte) noexcept nogil:
    """Take a folio that was freed lazily from the mm. False: it was stored to since, or somebody else uses it.

    Context: folio locked and isolated, page-table lock held; the PTE's reference is the caller's to drop.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef int32_t references, mapped
    set_pte(cpu, mm, folio.index, 0)
    if pte & PTE_DIRTY:
        folio_set(folio, PG_DIRTY)
    point(cpu, &folio.refcount, READS)
    references = load_i32(&folio.refcount)
    point(cpu, &folio.mapcount, READS)
    mapped = load_i32(&folio.mapcount)
    if folio_test(folio, PG_DIRTY):
        folio_set(folio, PG_SWAPBACKED)
    elif references == 1 + mapped:
        folio_remove_rmap(cpu, pfn)
        return True
    set_pte(cpu, mm, folio.index, pte)
    return False


cdef bint unmap_one(Cpu cpu, Protocol p, uint32_t mm, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Turn the PTE of `mm` into a swap entry if it maps the folio. False: the slot took no further reference.

    A folio that was freed lazily leaves no entry; False when it stays.

    Context: folio locked, anon_vma locked; takes page-table lock, under it cluster lock and mmlist_lock.
    """
    cdef uint32_t page = folio_of(cpu, pfn).index
    cdef uint64_t *ptep = pte_of(cpu, mm, page)
    cdef uint64_t pte
    cdef bint discarded
    if not pte_present(ptep_get(cpu, mm, page)):
        return True
    pte_lock(cpu, mm, page)
    pte = load64(ptep)
    if not pte_present(pte) or pte_pfn(pte) != pfn:
        pte_unlock(cpu, mm, page)
        return True
    if not folio_test(folio_of(cpu, pfn), PG_SWAPBACKED):
        discarded = discard_one(cpu, mm, pfn, pte)
        pte_unlock(cpu, mm, page)
        if discarded:
            folio_put(cpu, pfn)
        return discarded
    if folio_dup_swap(cpu, p, entry) < 0:
        pte_unlock(cpu, mm, page)
        return False
    if pte & PTE_DIRTY:
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
    mmlist_add(cpu, mm)
    set_pte(cpu, mm, page, swp_entry_to_pte(entry, folio_test(folio_of(cpu, pfn), PG_ANON_EXCLUSIVE)))
    folio_clear(folio_of(cpu, pfn), PG_ANON_EXCLUSIVE)
    folio_remove_rmap(cpu, pfn)
    pte_unlock(cpu, mm, page)
    folio_put(cpu, pfn)
    return True


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
        if av.members[mm >> 6] >> (mm & 63) & 1:
            going_on = unmap_one(cpu, p, mm, pfn, folio.swap)
    cpu.unlock(&av.lock)
    return not folio_mapped(cpu, pfn)


cdef uint32_t folio_referenced(Cpu cpu, uint32_t pfn) noexcept nogil:
    """How many PTEs have accessed the folio since the last look; their bits are cleared.

    Context: folio locked; takes anon_vma lock, under it page-table locks.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef anon_vma_t *av = &cpu.m.anon_vmas[folio.anon_vma]
    cdef uint32_t mm, page = folio.index, found = 0
    cdef uint64_t *ptep
    cdef uint64_t pte
    if not folio_mapped(cpu, pfn):
        return 0
    cpu.lock(&av.lock)
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if not av.members[mm >> 6] >> (mm & 63) & 1:
            continue
        ptep = pte_of(cpu, mm, page)
        pte = ptep_get(cpu, mm, page)
        if not pte_present(pte) or pte_pfn(pte) != pfn:
            continue
        pte_lock(cpu, mm, page)
        if pte_present(load64(ptep)) and pte_pfn(load64(ptep)) == pfn and load64(ptep) & PTE_ACCESSED:
            set_pte(cpu, mm, page, load64(ptep) & ~<uint64_t>PTE_ACCESSED)
            found += 1
        pte_unlock(cpu, mm, page)
    cpu.unlock(&av.lock)
    return found
