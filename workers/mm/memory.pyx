"""A folio to read into, and the PTE that maps it in the end."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load_i32
from shm.folio cimport PG_ANON, PG_SWAPBACKED, folio_t
from shm.mm cimport PTE_DIRTY, PTE_SWP_EXCLUSIVE, mk_pte
from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.filemap cimport folio_lock_new, folio_unlock
from workers.mm.memcontrol cimport mem_cgroup_swapin_charge_folio
from workers.mm.page_alloc cimport alloc_folio, folio_get, folio_of, folio_put, folio_set
from workers.mm.protocol cimport vm_fault
from workers.mm.rmap cimport folio_add_anon_rmap, set_pte


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


cdef void set_present(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """Write the present PTE: writable when nobody else can have the page. Context: folio locked, page-table lock held."""
    cdef folio_t *folio = folio_of(cpu, vmf.folio)
    cdef bint exclusive = (vmf.orig_pte & PTE_SWP_EXCLUSIVE) != 0 or load_i32(&folio.refcount) == 1
    cdef uint64_t pte = mk_pte(vmf.folio, exclusive)
    if exclusive and vmf.write:
        pte |= PTE_DIRTY
    folio_get(cpu, vmf.folio)
    folio_set(folio, PG_ANON)
    folio_add_anon_rmap(cpu, vmf.folio, exclusive)
    set_pte(cpu, vmf.mm, vmf.page, pte)
