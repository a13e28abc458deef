"""A read of an untouched page gets a page of its own too: the shared zero page is not emulated."""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from shm.atomic cimport load64, load_i32, store32
from shm.folio cimport PG_ANON, PG_ANON_EXCLUSIVE, PG_SWAPBACKED, PG_SWAPCACHE, PG_UPTODATE, folio_t
from shm.layout cimport payload_of
from shm.mm cimport PTE_DIRTY, PTE_WRITE, mk_pte, pte_pfn
from shm.vmstat cimport (
    EV_ANON_FAULT_ALLOC, EV_ANON_FAULT_FALLBACK, EV_ANON_FAULT_FALLBACK_CHARGE, EV_COW, EV_COW_REUSE, EV_VM_FAULT_OOM,
    EV_ZERO_FILL,
)
from shm.zone cimport MAX_FOLIO_ORDER
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.content cimport content_clear
from workers.mm.errno cimport ENOMEM
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.memcontrol cimport mem_cgroup_charge
from workers.mm.page_alloc cimport (
    alloc_folio, alloc_large_folio, folio_get, folio_get_refs, folio_of, folio_pages, folio_put, folio_set, folio_test,
    folio_test_large, page_folio,
)
from workers.mm.rmap cimport (
    folio_add_anon_rmap, folio_remove_rmap, pte_lock, pte_of, pte_unlock, ptep_get, ptes_unlock, set_pte,
)
from workers.mm.vma cimport vma_has_range
from workers.mm.vmscan_lists cimport lru_add
from workers.mm.protocol cimport Protocol, vm_fault


cdef uint32_t new_anon_folio(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """A charged folio for the faulting page, contents not yet set; PFN_NONE. Context: no spinlock held; may sleep."""
    cdef uint32_t pfn = alloc_folio(cpu)
    if pfn == 0 or mem_cgroup_charge(cpu, pfn, vmf.memcg) < 0:
        if pfn:
            folio_put(cpu, pfn)
        count(cpu, EV_VM_FAULT_OOM)
        return 0
    prep_anon_folio(cpu, vmf, pfn, vmf.page)
    return pfn


cdef void prep_anon_folio(Cpu cpu, vm_fault *vmf, uint32_t pfn, uint32_t first) noexcept nogil:
    """Whose the new folio will be, from page `first` on. Context: sole owner."""
    store32(&folio_of(cpu, pfn).index, first)
    store32(&folio_of(cpu, pfn).anon_vma, cpu.m.mms[vmf.mm].anon_vma)
    folio_set(folio_of(cpu, pfn), PG_SWAPBACKED | PG_UPTODATE | PG_ANON)


cdef bint pte_range_none(Cpu cpu, uint32_t mm, uint32_t first, uint32_t nr) noexcept nogil:
    """Whether no page of the range has a PTE. Context: a look; exact under the page-table lock."""
    cdef uint32_t page
    for page in range(first, first + nr):
        if ptep_get(cpu, mm, page) != 0:
            return False
    return True


cdef uint32_t alloc_anon_folio(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """A charged folio, the largest of the run's orders whose aligned range is empty and inside the VMA; PFN_NONE.

    An order that has no block, or no charge, makes room for the next one. Context: mmap_lock held; may sleep.
    """
    cdef uint32_t order = MAX_FOLIO_ORDER, nr, first, pfn
    while order and cpu.m.geo.anon_orders:
        nr = <uint32_t>1 << order
        first = vmf.page & ~(nr - 1)
        if cpu.m.geo.anon_orders >> order & 1 and vma_has_range(cpu, vmf.mm, first, nr) and (
                pte_range_none(cpu, vmf.mm, first, nr)):
            pfn = alloc_large_folio(cpu, order)
            if pfn and mem_cgroup_charge(cpu, pfn, vmf.memcg) == 0:
                prep_anon_folio(cpu, vmf, pfn, first)
                return pfn
            count(cpu, EV_ANON_FAULT_FALLBACK_CHARGE if pfn else EV_ANON_FAULT_FALLBACK)
            if pfn:
                folio_put(cpu, pfn)
        order -= 1
    return new_anon_folio(cpu, vmf)


cdef bint install(Cpu cpu, vm_fault *vmf, uint32_t pfn) noexcept nogil:
    """Map the new folio if the PTE is still the one that faulted. Context: takes page-table lock; the folio's
    reference goes to the PTE, or is given back."""
    pte_lock(cpu, vmf.mm, vmf.page)
    if load64(pte_of(cpu, vmf.mm, vmf.page)) != vmf.orig_pte:
        pte_unlock(cpu, vmf.mm, vmf.page)
        folio_put(cpu, pfn)
        return False
    folio_add_anon_rmap(cpu, pfn, True)
    lru_add(cpu, pfn, False)
    set_pte(cpu, vmf.mm, vmf.page, mk_pte(pfn, True) | PTE_DIRTY)
    return True


cdef void install_large(Cpu cpu, vm_fault *vmf, uint32_t pfn) noexcept nogil:
    """Map all pages of the new folio if none of its range has a PTE yet. Context: as install."""
    cdef uint32_t i, nr = folio_pages(cpu, pfn), first = folio_of(cpu, pfn).index
    cdef bint empty
    pte_lock(cpu, vmf.mm, first)
    empty = pte_range_none(cpu, vmf.mm, first, nr)
    if empty:
        folio_get_refs(cpu, pfn, nr - 1)
        for i in range(nr):
            folio_add_anon_rmap(cpu, pfn + i, True)
        lru_add(cpu, pfn, False)
        for i in range(nr):
            set_pte(cpu, vmf.mm, first + i, mk_pte(pfn + i, True) | PTE_DIRTY)
        cpu.my.events[EV_ZERO_FILL] += nr
        count(cpu, EV_ANON_FAULT_ALLOC)
    ptes_unlock(cpu, vmf.mm, first, first + nr)
    if not empty:
        folio_put(cpu, pfn)


cdef int do_anonymous_page(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """An untouched page: zero fill. 0 or -ENOMEM. Context: mmap_lock held; may sleep."""
    cdef uint32_t pfn = alloc_anon_folio(cpu, vmf), i, first
    if pfn == 0:
        return ENOMEM
    for i in range(folio_pages(cpu, pfn)):
        content_clear(payload_of(&cpu.m, pfn + i), cpu.m.geo.payload_bytes)
    if folio_test_large(cpu, pfn):
        install_large(cpu, vmf, pfn)
    elif install(cpu, vmf, pfn):
        count(cpu, EV_ZERO_FILL)
        pte_unlock(cpu, vmf.mm, vmf.page)
    return 0


cdef bint wp_can_reuse(Cpu cpu, Protocol p, uint32_t page) noexcept nogil:
    """Whether nobody else can have the page (kernel: wp_can_reuse_anon_folio; of a large folio only what is exclusive, as
    up to 6.14). Context: page-table lock held."""
    cdef uint32_t pfn = page_folio(cpu, page)
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef bint alone
    if folio_test(folio_of(cpu, page), PG_ANON_EXCLUSIVE):
        return True
    if folio_test_large(cpu, pfn):
        return False
    point(cpu, &folio.refcount, READS)
    if load_i32(&folio.refcount) > (2 if folio_test(folio, PG_SWAPCACHE) else 1):
        return False
    if not folio_trylock(cpu, pfn):
        return False
    if folio_test(folio, PG_SWAPCACHE):
        p.folio_free_swap(cpu, pfn)
    alone = load_i32(&folio.refcount) == 1
    if alone:
        folio_set(folio, PG_ANON_EXCLUSIVE)
    folio_unlock(cpu, pfn)
    return alone


cdef int copy_page(Cpu cpu, vm_fault *vmf, uint32_t old) noexcept nogil:
    """Give the mm a page of its own (kernel: wp_page_copy). Context: mmap_lock and a reference of the folio of `old`; may
    sleep."""
    cdef uint32_t pfn = new_anon_folio(cpu, vmf)
    if pfn == 0:
        return ENOMEM
    memcpy(payload_of(&cpu.m, pfn), payload_of(&cpu.m, old), cpu.m.geo.payload_bytes)
    if install(cpu, vmf, pfn):
        count(cpu, EV_COW)
        pfn = page_folio(cpu, old)
        folio_remove_rmap(cpu, old)
        pte_unlock(cpu, vmf.mm, vmf.page)
        folio_put(cpu, pfn)
    return 0


cdef int do_wp_page(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """A store to a page mapped read-only. 0 or -ENOMEM. Context: mmap_lock held; takes page-table lock; may sleep."""
    cdef uint32_t old = pte_pfn(vmf.orig_pte), pfn
    cdef int result
    pte_lock(cpu, vmf.mm, vmf.page)
    if load64(pte_of(cpu, vmf.mm, vmf.page)) != vmf.orig_pte:
        pte_unlock(cpu, vmf.mm, vmf.page)
        return 0
    if wp_can_reuse(cpu, p, old):
        count(cpu, EV_COW_REUSE)
        set_pte(cpu, vmf.mm, vmf.page, vmf.orig_pte | PTE_WRITE | PTE_DIRTY)
        pte_unlock(cpu, vmf.mm, vmf.page)
        return 0
    pfn = page_folio(cpu, old)
    folio_get(cpu, pfn)
    pte_unlock(cpu, vmf.mm, vmf.page)
    result = copy_page(cpu, vmf, old)
    folio_put(cpu, pfn)
    return result
