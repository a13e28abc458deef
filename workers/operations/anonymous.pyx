"""A read of an untouched page gets a page of its own too: the shared zero page is not emulated."""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from shm.atomic cimport load64, load_i32, store32
from shm.folio cimport PG_ANON, PG_ANON_EXCLUSIVE, PG_SWAPBACKED, PG_SWAPCACHE, PG_UPTODATE, folio_t
from shm.layout cimport payload_of
from shm.mm cimport PTE_DIRTY, PTE_WRITE, mk_pte, pte_pfn
from shm.vmstat cimport EV_COW, EV_COW_REUSE, EV_VM_FAULT_OOM, EV_ZERO_FILL
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.content cimport content_clear
from workers.mm.errno cimport ENOMEM
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.memcontrol cimport mem_cgroup_charge
from workers.mm.page_alloc cimport alloc_folio, folio_get, folio_of, folio_put, folio_set, folio_test
from workers.mm.rmap cimport folio_add_anon_rmap, folio_remove_rmap, pte_lock, pte_of, pte_unlock, set_pte
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
    store32(&folio_of(cpu, pfn).index, vmf.page)
    store32(&folio_of(cpu, pfn).anon_vma, cpu.m.mms[vmf.mm].anon_vma)
    folio_set(folio_of(cpu, pfn), PG_SWAPBACKED | PG_UPTODATE | PG_ANON)
    return pfn


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


cdef int do_anonymous_page(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """An untouched page: zero fill. 0 or -ENOMEM. Context: mmap_lock held; may sleep."""
    cdef uint32_t pfn = new_anon_folio(cpu, vmf)
    if pfn == 0:
        return ENOMEM
    content_clear(payload_of(&cpu.m, pfn), cpu.m.geo.payload_bytes)
    if install(cpu, vmf, pfn):
        count(cpu, EV_ZERO_FILL)
        pte_unlock(cpu, vmf.mm, vmf.page)
    return 0


cdef bint wp_can_reuse(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Whether nobody else can have the page (kernel: wp_can_reuse_anon_folio). Context: page-table lock held."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef bint alone
    if folio_test(folio, PG_ANON_EXCLUSIVE):
        return True
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
    """Give the mm a page of its own (kernel: wp_page_copy). Context: mmap_lock and a reference of `old`; may sleep."""
    cdef uint32_t pfn = new_anon_folio(cpu, vmf)
    if pfn == 0:
        return ENOMEM
    memcpy(payload_of(&cpu.m, pfn), payload_of(&cpu.m, old), cpu.m.geo.payload_bytes)
    if install(cpu, vmf, pfn):
        count(cpu, EV_COW)
        folio_remove_rmap(cpu, old)
        pte_unlock(cpu, vmf.mm, vmf.page)
        folio_put(cpu, old)
    return 0


cdef int do_wp_page(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """A store to a page mapped read-only. 0 or -ENOMEM. Context: mmap_lock held; takes page-table lock; may sleep."""
    cdef uint32_t old = pte_pfn(vmf.orig_pte)
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
    folio_get(cpu, old)
    pte_unlock(cpu, vmf.mm, vmf.page)
    result = copy_page(cpu, vmf, old)
    folio_put(cpu, old)
    return result
