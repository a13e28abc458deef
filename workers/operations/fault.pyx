"""One access of a program to one page: a hit, or a fault that is taken again until the page is there.

The latency of a swap-in runs from the access that found a swap PTE to the access that succeeds: retries, refaults and
sleeps included, as the program sees it.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load32, load64
from shm.folio cimport PG_ANON, PG_DIRTY, PG_UPTODATE, PG_WRITEBACK
from shm.layout cimport expected_of, payload_of
from shm.mm cimport (
    EXPECT_MOVED_SHIFT, PTES_PER_PTL, PTE_ACCESSED, PTE_DIRTY, PTE_WRITE, expected_freed, expected_moved, expected_stamp,
    is_migration_pte, is_poisoned_pte, is_swap_pte, pte_pfn, pte_present, pte_to_swp_entry,
)
from shm.trace cimport TRACE_SWAP_IN
from shm.vmstat cimport (
    EV_FAULT_RETRY, EV_OPERATIONS, EV_PGFAULT, EV_PGMAJFAULT, EV_REFAULT_RACED, EV_SWAP_INS, EV_VM_FAULT_OOM,
    EV_VM_FAULT_OOM_SPURIOUS, EV_VM_FAULT_SIGBUS, EV_VM_FAULT_SIGSEGV, LAT_COW, LAT_SWAP_IN, LAT_ZERO_FILL, WAIT_DEVICE,
    WAIT_FOLIO_LOCK, WARN_MAP_BAD_SLOT, WARN_STALE_LOAD,
)
from workers.cpu cimport Cpu, count, record, trace, warn
from workers.mm.checks cimport check_oom, check_slot_kept, failures, present_generation
from workers.mm.content cimport STAMP_CPU_SHIFT, content_belongs, content_identity, content_intact, content_stamp, content_write
from workers.mm.errno cimport EFAULT, EIO, ENOMEM
from workers.mm.filemap cimport (
    folio_lock, folio_trylock, folio_unlock, folio_wait_locked, mmap_read_lock, mmap_read_unlock,
)
from workers.mm.huge_memory cimport migration_entry_wait
from workers.mm.memory cimport folio_becomes_anon, map_one
from workers.mm.page_alloc cimport folio_of, folio_pages, folio_put, folio_test
from workers.mm.rmap cimport pte_lock, pte_of, pte_unlock, ptes_unlock, set_pte
from workers.mm.swap_state cimport folio_matches_swap_entry, swap_cache_get_folio
from workers.mm.swapfile cimport swap_entry_referenced
from workers.mm.vma cimport vma_has_range, vma_lookup
from workers.operations.anonymous cimport do_anonymous_page, do_wp_page, page_identity
from workers.operations.readahead cimport swap_update_readahead, swapin_readahead
from workers.mm.protocol cimport (
    PIN_FAULT, SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_READAHEAD, Protocol, vm_fault,
)

cdef enum:
    FAULT_DONE = 0  # look again: the PTE is there, or has changed
    FAULT_RETRY = 1  # mmap_lock was dropped to wait; take the fault again, and wait with it held then


cdef bint as_expected(Cpu cpu, char *payload, uint64_t *expected, uint64_t identity) noexcept nogil:
    """Whether the page holds what was stored there last. One that MADV_FREE gave up may hold zeroes: then it does from
    now on. Context: page-table lock held."""
    cdef uint64_t stamp = content_stamp(payload)
    if expected[0] >> EXPECT_MOVED_SHIFT:
        if expected_freed(expected[0]) and stamp == 0 and expected_stamp(expected[0]) != 0:
            expected[0] = 0
        if expected_moved(expected[0]):
            identity = content_identity(payload)
    return content_belongs(payload, identity) and stamp == expected_stamp(expected[0]) and content_intact(
        payload, cpu.m.geo.payload_bytes)


cdef void touch(Cpu cpu, uint32_t mm, uint32_t page, uint64_t pte, bint write) noexcept nogil:
    """What the program does to the mapped page: see its last store, and store anew. Context: page-table lock held."""
    cdef char *payload = payload_of(&cpu.m, pte_pfn(pte))
    cdef uint64_t *expected = &expected_of(&cpu.m, mm)[page]
    cdef uint64_t identity = page_identity(cpu, mm, page)
    if not as_expected(cpu, payload, expected, identity):
        warn(cpu, WARN_STALE_LOAD, (<uint64_t>mm << 32) | page, content_stamp(payload), expected[0])
    if not write:
        if not pte & PTE_ACCESSED:
            set_pte(cpu, mm, page, pte | PTE_ACCESSED)
        return
    cpu.my.stamp += 1
    expected[0] = (<uint64_t>(cpu.id + 1) << STAMP_CPU_SHIFT) | cpu.my.stamp
    content_write(payload, cpu.m.geo.payload_bytes, identity, expected[0])
    if pte & (PTE_ACCESSED | PTE_DIRTY) != (PTE_ACCESSED | PTE_DIRTY):
        set_pte(cpu, mm, page, pte | PTE_ACCESSED | PTE_DIRTY)


cdef bint pte_unchanged(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """Lock the PTE and compare it with the one that faulted. Context: returns with the page-table lock held."""
    pte_lock(cpu, vmf.mm, vmf.page)
    return load64(pte_of(cpu, vmf.mm, vmf.page)) == vmf.orig_pte


cdef int swap_fault_oom(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """No folio came: out of memory, unless somebody else has brought the page. Context: device pinned, mmap_lock."""
    cdef bint same = pte_unchanged(cpu, vmf)
    if same and not swap_entry_referenced(cpu, vmf.entry):
        warn(cpu, WARN_MAP_BAD_SLOT, vmf.entry, vmf.mm, vmf.page)
    if same:
        check_oom(cpu, vmf.entry, vmf.failures, vmf.generation)
    pte_unlock(cpu, vmf.mm, vmf.page)
    if not same:
        return FAULT_DONE
    if vmf.spurious:  # VM_FAULT_OOM without the OOM killer: the fault is taken again
        count(cpu, EV_VM_FAULT_OOM_SPURIOUS)
        return FAULT_DONE
    count(cpu, EV_VM_FAULT_OOM)
    return ENOMEM


cdef int find_folio(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """The folio of the slot, from the cache, by the protocol's own way, or through readahead. SWAPIN_*.

    Context: device pinned, mmap_lock held; may sleep.
    """
    cdef int how
    vmf.folio = swap_cache_get_folio(cpu, vmf.entry)
    if vmf.folio:
        swap_update_readahead(cpu, vmf)
        return SWAPIN_FOLIO
    how = p.swapin_folio(cpu, vmf)
    if how == SWAPIN_READAHEAD:
        vmf.folio = swapin_readahead(cpu, p, vmf)
        how = SWAPIN_FOLIO if vmf.folio else SWAPIN_OOM
    if vmf.fresh:
        count(cpu, EV_PGMAJFAULT)
    return how


cdef bint lock_or_retry(Cpu cpu, vm_fault *vmf, bint first) noexcept nogil:
    """Lock the folio. False: the first attempt drops mmap_lock and waits for an unlock (kernel: folio_lock_or_retry).

    Context: mmap_lock held, dropped when False; sleeps. The wait counts for the device when it is our own read.
    """
    cdef int cause = WAIT_DEVICE if vmf.fresh else WAIT_FOLIO_LOCK
    if folio_trylock(cpu, vmf.folio):
        return True
    if first:
        mmap_read_unlock(cpu, vmf.mm)
        folio_wait_locked(cpu, vmf.folio, cause)
        return False
    folio_lock(cpu, vmf.folio, cause)
    return True


cdef void choose_range(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """What is mapped: the whole of a large folio if its range lies in one VMA and all its PTEs name its slots, else a page.

    Context: folio locked, page-table lock held.
    """
    cdef uint32_t nr = folio_pages(cpu, vmf.folio), at = <uint32_t>(vmf.entry & (nr - 1)), first = vmf.page - at, i
    cdef uint64_t pte = vmf.orig_pte - (<uint64_t>at << 9)
    map_one(vmf, at)
    if nr == 1 or vmf.page < at or first // PTES_PER_PTL != (first + nr - 1) // PTES_PER_PTL or (
            not vma_has_range(cpu, vmf.mm, first, nr)):
        return
    for i in range(nr):
        if load64(pte_of(cpu, vmf.mm, first + i)) != pte + (<uint64_t>i << 9):
            return
    vmf.first = first
    vmf.start = vmf.entry - at
    vmf.subpage = 0
    vmf.nr = nr


cdef bint may_map(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """Whether the range may be mapped. A large folio that has never been mapped is so as a whole or not at all: what
    cannot be leaves the swap cache again, and smaller folios come in its place.

    Context: folio locked, page-table lock held; takes cluster lock.
    """
    if vmf.nr == folio_pages(cpu, vmf.folio) or folio_test(folio_of(cpu, vmf.folio), PG_ANON):
        return True
    if not vmf.bypass and not folio_test(folio_of(cpu, vmf.folio), PG_DIRTY | PG_WRITEBACK):
        p.swap_cache_del_folio(cpu, vmf.folio)
    return False


cdef bint verify_and_map(Cpu cpu, Protocol p, vm_fault *vmf, int *result) noexcept nogil:
    """Map what the PTE still asks for, and let the page-table lock go after the folio's. False: the folio is still locked,
    for nothing was mapped. Context: folio locked, its slot the fault's; takes page-table lock, under it cluster lock.
    """
    cdef bint same = pte_unchanged(cpu, vmf)
    if same and folio_test(folio_of(cpu, vmf.folio), PG_UPTODATE):
        choose_range(cpu, vmf)
        if may_map(cpu, p, vmf):
            folio_becomes_anon(cpu, vmf)
            check_slot_kept(cpu, vmf, load64(pte_of(cpu, vmf.mm, vmf.page)))
            p.map_swapped_in(cpu, vmf)
            folio_unlock(cpu, vmf.folio)
            ptes_unlock(cpu, vmf.mm, vmf.first, vmf.first + vmf.nr)
            return True
    elif same:
        count(cpu, EV_VM_FAULT_SIGBUS)
        result[0] = EIO
    ptes_unlock(cpu, vmf.mm, vmf.first, vmf.first + vmf.nr)
    return False


cdef int map_or_give_up(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """Verify and map. Context: folio locked, unlocked here; takes page-table lock."""
    cdef int result = FAULT_DONE
    if vmf.bypass or folio_matches_swap_entry(cpu, vmf.folio, vmf.entry):
        if verify_and_map(cpu, p, vmf, &result):
            return result
    if result == FAULT_DONE:
        count(cpu, EV_REFAULT_RACED)
    p.fault_unmapped(cpu, vmf)
    folio_unlock(cpu, vmf.folio)
    return result


cdef int do_swap_page(Cpu cpu, Protocol p, vm_fault *vmf, bint first) noexcept nogil:
    """A swap PTE was accessed. FAULT_*, -ENOMEM, -EIO. Context: mmap_lock held, dropped when FAULT_RETRY; sleeps."""
    cdef int how, result
    if not p.pin_device(cpu, vmf.entry, PIN_FAULT):
        return FAULT_DONE
    how = find_folio(cpu, p, vmf)
    if how == SWAPIN_FOLIO:
        if not lock_or_retry(cpu, vmf, first):
            count(cpu, EV_FAULT_RETRY)
            result = FAULT_RETRY
        else:
            result = map_or_give_up(cpu, p, vmf)
        folio_put(cpu, vmf.folio)
    elif how == SWAPIN_OOM:
        result = swap_fault_oom(cpu, vmf)
    else:
        result = FAULT_DONE
    p.fault_done(cpu, vmf)
    p.unpin_device(cpu, vmf.entry, PIN_FAULT)
    return result


cdef int handle_fault(Cpu cpu, Protocol p, vm_fault *vmf, bint first) noexcept nogil:
    """FAULT_*, -ENOMEM, -EIO, -EFAULT. Context: mmap_lock held, dropped when FAULT_RETRY; sleeps."""
    if not vma_lookup(cpu, vmf.mm, vmf.page):
        count(cpu, EV_VM_FAULT_SIGSEGV)
        return EFAULT
    if pte_present(vmf.orig_pte):
        return do_wp_page(cpu, p, vmf)
    if is_migration_pte(vmf.orig_pte):
        migration_entry_wait(cpu, vmf.mm)
        return FAULT_DONE
    if is_swap_pte(vmf.orig_pte):
        vmf.entry = pte_to_swp_entry(vmf.orig_pte)
        vmf.failures = failures(cpu)
        return do_swap_page(cpu, p, vmf, first)
    if is_poisoned_pte(vmf.orig_pte):
        count(cpu, EV_VM_FAULT_SIGBUS)
        return EIO
    return do_anonymous_page(cpu, vmf)


cdef inline int latency_of(uint64_t pte) noexcept nogil:
    if pte_present(pte):
        return LAT_COW
    return LAT_SWAP_IN if is_swap_pte(pte) else LAT_ZERO_FILL


cdef bint hit(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """Access the page if its PTE allows it; else a fault begins with what it is. Context: takes page-table lock, as the
    hardware needs none.
    """
    cdef uint64_t pte
    pte_lock(cpu, vmf.mm, vmf.page)
    vmf.orig_pte = pte = load64(pte_of(cpu, vmf.mm, vmf.page))
    if pte_present(pte) and (not vmf.write or pte & PTE_WRITE):
        touch(cpu, vmf.mm, vmf.page, pte, vmf.write)
        pte_unlock(cpu, vmf.mm, vmf.page)
        return True
    if is_swap_pte(pte):
        vmf.generation = present_generation(cpu, pte_to_swp_entry(pte))
    pte_unlock(cpu, vmf.mm, vmf.page)
    return False


cdef int access_page(Cpu cpu, Protocol p, uint32_t mm, uint32_t page, bint write) noexcept nogil:
    """A load or a store of the program. 0, or -ENOMEM, -EIO when the fault could not be served, -EFAULT: no VMA has the page.

    Context: mm_users held, no lock; sleeps.
    """
    cdef vm_fault vmf
    cdef uint64_t since = 0
    cdef int latency = -1, result
    cdef bint first = True
    count(cpu, EV_OPERATIONS)
    vmf.mm = mm
    vmf.page = page
    vmf.write = write
    while not hit(cpu, &vmf):
        if latency < 0:
            since = cpu.now()
            latency = latency_of(vmf.orig_pte)
        vmf.memcg = load32(&cpu.m.mms[mm].memcg)
        vmf.entry = 0
        vmf.folio = 0
        vmf.fresh = vmf.bypass = vmf.claimed = vmf.spurious = False
        vmf.orders = cpu.m.geo.anon_orders
        map_one(&vmf, 0)
        count(cpu, EV_PGFAULT)
        mmap_read_lock(cpu, mm)
        result = handle_fault(cpu, p, &vmf, first)
        first = result != FAULT_RETRY
        if result != FAULT_RETRY:
            mmap_read_unlock(cpu, mm)
        if result < 0:
            return result
    if latency == LAT_SWAP_IN:
        count(cpu, EV_SWAP_INS)
        trace(cpu, TRACE_SWAP_IN, vmf.entry, 0, 0)
    if latency >= 0:
        record(cpu, latency, since)
    return 0
