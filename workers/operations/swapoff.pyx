"""swapoff brings every page of a device back, waits for whoever still looks at it, and takes it down; swapon undoes that.

Order: no new slots; no allocator still inside; no reference left; no user left; nothing of it left.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from shm.atomic cimport add32, add_i64, cas64, fetch_and32, fetch_or32, load32, load64, load_i64, store32
from shm.cluster cimport swap_cluster_info
from shm.folio cimport PG_ANON, PG_UPTODATE
from shm.layout cimport cluster_of, percpu_of, table_of
from shm.mm cimport MMLIST_ON, PTE_POISONED, pte_to_swp_entry
from shm.slots cimport slot_is_free
from shm.swap_table cimport swap_table_set, swp_tb_bad
from shm.swapfile cimport SWP_PAGE_DISCARD, SWP_SOLIDSTATE, SWP_USED, SWP_WRITEOK, swap_info_struct, swap_usage_in_pages
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_type
from shm.trace cimport TRACE_SWAPOFF
from shm.vmstat cimport EV_OPERATIONS, EV_SWAPOFFS, EV_SWAPOFF_FAILED, LAT_SWAPOFF, WAIT_FOLIO_LOCK, WAIT_OTHER_LOCK
from workers.cpu cimport READS, WRITES, Cpu, count, point, record, smp_mb, store_delayable32, trace
from workers.mm.checks cimport alone_at_work, check_slot_kept, check_unuse_round
from workers.mm.errno cimport EAGAIN, EBUSY, EINTR, ENOMEM
from workers.mm.filemap cimport (
    folio_lock, folio_unlock, folio_wait_writeback, mmap_read_lock, mmap_read_unlock, wait_event_tick,
)
from workers.mm.memcontrol cimport slot_of
from workers.mm.memory cimport folio_becomes_anon, map_one, set_present
from workers.mm.page_alloc cimport folio_of, folio_pages, folio_put, folio_test, folio_test_large, stack_pop, stack_push
from workers.mm.rmap cimport mmget_not_zero, pte_lock, pte_of, pte_unlock, ptep_get, set_pte
from workers.mm.swap_avail cimport add_to_avail_list, del_from_avail_list
from workers.mm.swap_discard cimport flush_discard_work
from workers.mm.swap_count cimport free_swap_count_continuations
from workers.mm.swap_state cimport folio_matches_swap_entry, swap_cache_get_folio
from workers.mm.swapfile cimport swap_entry_referenced, swap_free
from workers.mm.vma cimport vma_lookup
from workers.operations.fork_exit cimport mmput
from workers.operations.readahead cimport swapin_readahead
from workers.operations.shmem cimport shmem_unuse
from workers.mm.protocol cimport Protocol, vm_fault

cdef enum:
    LOOK_AGAIN_NS = 100  # between two rounds of try_to_unuse


cdef inline bint has_a_place(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether a PTE may be given one page of it. A large folio that no fault has mapped yet leaves the swap cache, as where a
    fault cannot map it whole, for the PTEs may not lie together any more; what comes next is a page. Context: folio locked.
    """
    return not folio_test_large(cpu, pfn) or folio_test(folio_of(cpu, pfn), PG_ANON)


cdef int unuse_pte(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """Map the folio in place of the swap PTE: the PTE first, then the count, in every version. A page that could not be read
    is lost, which its PTE says from now on. 0, -EAGAIN: the folio was dropped.

    Context: folio locked; takes page-table lock, under it cluster lock.
    """
    cdef bint same, fits = has_a_place(cpu, vmf.folio)
    pte_lock(cpu, vmf.mm, vmf.page)
    same = load64(pte_of(cpu, vmf.mm, vmf.page)) == vmf.orig_pte
    if same and not fits:
        p.swap_cache_del_folio(cpu, vmf.folio)
    elif same and not folio_test(folio_of(cpu, vmf.folio), PG_UPTODATE):
        set_pte(cpu, vmf.mm, vmf.page, PTE_POISONED)
        swap_free(cpu, p, vmf.entry)
    elif same:
        map_one(vmf, <uint32_t>(vmf.entry & (folio_pages(cpu, vmf.folio) - 1)))
        folio_becomes_anon(cpu, vmf)
        check_slot_kept(cpu, vmf, vmf.orig_pte)
        set_present(cpu, vmf)
        swap_free(cpu, p, vmf.entry)
    pte_unlock(cpu, vmf.mm, vmf.page)
    return EAGAIN if same and not fits else 0


cdef int unuse_page(Cpu cpu, Protocol p, uint32_t mm, uint32_t page, uint32_t device) noexcept nogil:
    """One page of one mm, if a VMA has it and it lies on the device. 0, -ENOMEM, -EAGAIN: once more. Context: mmap_lock held for reading; sleeps."""
    cdef vm_fault vmf
    cdef int result = 0
    vmf.orig_pte = ptep_get(cpu, mm, page)
    if not vma_lookup(cpu, mm, page) or not p.unuse_wants(cpu, vmf.orig_pte, device):
        return 0
    vmf.mm = mm
    vmf.page = page
    vmf.memcg = load32(&cpu.m.mms[mm].memcg)
    vmf.write = vmf.fresh = vmf.bypass = vmf.claimed = False
    vmf.entry = pte_to_swp_entry(vmf.orig_pte)
    vmf.folio = swap_cache_get_folio(cpu, vmf.entry)
    if vmf.folio == 0:
        vmf.folio = swapin_readahead(cpu, p, &vmf)
    if vmf.folio == 0:
        return ENOMEM if swap_entry_referenced(cpu, vmf.entry) else 0
    folio_lock(cpu, vmf.folio, WAIT_FOLIO_LOCK)
    folio_wait_writeback(cpu, vmf.folio, WAIT_FOLIO_LOCK)
    if folio_matches_swap_entry(cpu, vmf.folio, vmf.entry):
        result = unuse_pte(cpu, p, &vmf)
        p.folio_free_swap(cpu, vmf.folio)
    folio_unlock(cpu, vmf.folio)
    folio_put(cpu, vmf.folio)
    return result


cdef int unuse_mm(Cpu cpu, Protocol p, uint32_t mm, uint32_t device) noexcept nogil:
    """Context: no lock held; sleeps."""
    cdef uint32_t page
    cdef int err = 0
    if load32(&cpu.m.mms[mm].on_mmlist) != MMLIST_ON or not mmget_not_zero(cpu, mm):
        return 0
    mmap_read_lock(cpu, mm)
    for page in range(<uint32_t>cpu.m.geo.pages):
        err = unuse_page(cpu, p, mm, page, device)
        while err == EAGAIN:
            err = unuse_page(cpu, p, mm, page, device)
        if err < 0 or load32(&cpu.m.control.stop):
            break
    mmap_read_unlock(cpu, mm)
    mmput(cpu, p, mm)
    return err


cdef void unuse_slot(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """Drop the cache of a slot that no mm refers to. Context: no lock held; sleeps."""
    cdef uint32_t pfn = swap_cache_get_folio(cpu, entry)
    if pfn == 0:
        return
    folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
    folio_wait_writeback(cpu, pfn, WAIT_FOLIO_LOCK)
    if folio_matches_swap_entry(cpu, pfn, entry):
        p.folio_free_swap(cpu, pfn)
    folio_unlock(cpu, pfn)
    folio_put(cpu, pfn)


cdef int try_to_unuse(Cpu cpu, Protocol p, uint32_t device) noexcept nogil:
    """Until no slot is in use. 0, -ENOMEM, or -EINTR when the run ends. Context: swapon_mutex held; sleeps."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    cdef uint32_t mm
    cdef uint64_t off, before
    cdef bint alone
    cdef int err
    while swap_usage_in_pages(si) != 0:
        before = <uint64_t>swap_usage_in_pages(si)
        alone = alone_at_work(cpu)
        err = shmem_unuse(cpu, p, device)
        if err < 0:
            return err
        for mm in range(<uint32_t>cpu.m.geo.mms):
            err = unuse_mm(cpu, p, mm, device)
            if err < 0:
                return err
        for off in range(1, si.max):
            if not slot_is_free(&cpu.m, slot_of(cpu, swp_entry(device, off))):
                unuse_slot(cpu, p, swp_entry(device, off))
        if load32(&cpu.m.control.stop):
            return EINTR
        if swap_usage_in_pages(si) != 0:
            check_unuse_round(cpu, si, before, alone)
            cpu.relax(LOOK_AGAIN_NS)
    smp_mb(cpu)  # pairs with the barrier of swap_range_free: what was freed before inuse fell is seen
    return 0


cdef void set_writeok(Cpu cpu, swap_info_struct *si, bint on) noexcept nogil:
    """Let allocation use the device, or not. Context: swapon_mutex held; takes si->lock."""
    cdef int64_t pages = si.pages if on else -<int64_t>si.pages
    cpu.lock(&si.lock)
    if on:
        add_to_avail_list(cpu, si, True)
    else:
        del_from_avail_list(cpu, si, True)
    add_i64(&cpu.m.control.nr_swap_pages, pages)
    add_i64(&cpu.m.control.total_swap_pages, pages)
    cpu.unlock(&si.lock)


cdef void wait_for_allocation(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """Whoever saw WRITEOK under a cluster lock is out when this has held them all. Context: swapon_mutex held."""
    cdef uint64_t i
    cdef swap_cluster_info *ci
    for i in range(si.nr_clusters):
        ci = cluster_of(&cpu.m, si.type, i)
        cpu.lock(&ci.lock)
        ci.swept = ci.count + 1
        cpu.unlock(&ci.lock)


cdef void allow_allocation(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """The clusters may fill again. Context: swapon_mutex held, WRITEOK clear; takes cluster locks."""
    cdef uint64_t i
    cdef swap_cluster_info *ci
    for i in range(si.nr_clusters):
        ci = cluster_of(&cpu.m, si.type, i)
        cpu.lock(&ci.lock)
        ci.swept = 0
        cpu.unlock(&ci.lock)


cdef int64_t users_of(Cpu cpu, uint32_t device) noexcept nogil:
    """References to the device, summed over the CPUs. Context: the device is dead, so the sum only falls."""
    cdef int64_t users = 0
    cdef uint32_t i
    point(cpu, &cpu.m.si[device].dead, READS)
    for i in range(<uint32_t>cpu.m.geo.cpus):
        users += load_i64(&percpu_of(&cpu.m, i).users[device])
    return users


cdef void wait_for_users(Cpu cpu, swap_info_struct *si) noexcept nogil:
    """percpu_ref_kill, then until nobody has the device pinned. Context: swapon_mutex held; sleeps."""
    cdef uint32_t i, order
    cdef uint64_t *next
    point(cpu, &si.dead, WRITES)
    store_delayable32(cpu, &si.dead, 1)
    smp_mb(cpu)
    while users_of(cpu, si.type) != 0:
        wait_event_tick(cpu, &si.dead, cpu.m.control.tick_ns, WAIT_OTHER_LOCK)
    for i in range(<uint32_t>cpu.m.geo.cpus):
        for order in range(cpu.m.cluster_orders):
            next = &percpu_of(&cpu.m, i).cluster_next[order]
            if cpu.m.geo.devices > 1:
                point(cpu, next, WRITES)
            if load64(next) and swp_type(load64(next)) == si.type:
                cas64(next, load64(next), 0)
    for order in range(cpu.m.cluster_orders):
        si.global_next[order] = 0


cdef void bad_tables(Cpu cpu, swap_info_struct *si, bint present) noexcept nogil:
    """Clusters with bad slots keep a table while the device is on. Context: nobody can use the device."""
    cdef uint64_t i
    cdef uint32_t off, per = <uint32_t>cpu.m.geo.cluster_slots, table
    cdef swap_cluster_info *ci
    for i in range(si.nr_clusters):
        ci = cluster_of(&cpu.m, si.type, i)
        cpu.lock(&ci.lock)
        table = load32(&ci.table)
        if not present and table:
            store32(&ci.table, 0)
            stack_push(cpu, cpu.m.tables_head, cpu.m.table_next, table)
        elif present and ci.count:
            table = stack_pop(cpu, cpu.m.tables_head, cpu.m.table_next)
            for off in range(per):
                swap_table_set(table_of(&cpu.m, table), off, swp_tb_bad() if i * per + off >= si.max or (
                    i == 0 and off == 0) else 0)
            store32(&ci.table, table)
        cpu.unlock(&ci.lock)


cdef int swapoff(Cpu cpu, Protocol p, uint32_t device) noexcept nogil:
    """Take the device down. 0, -EBUSY (off, or somebody is at it), -ENOMEM (memory is full), -EINTR (the run ends).

    On an error the device is as it was before. Context: no lock held; sleeps.
    """
    cdef swap_info_struct *si = &cpu.m.si[device]
    cdef uint64_t since = cpu.now()
    cdef int err
    count(cpu, EV_OPERATIONS)
    if not cpu.trylock(cpu.m.swapon_mutex):
        return EBUSY
    if not load32(&si.flags) & SWP_WRITEOK:
        cpu.unlock(cpu.m.swapon_mutex)
        return EBUSY
    trace(cpu, TRACE_SWAPOFF, 0, 0, 0)
    set_writeok(cpu, si, False)
    wait_for_allocation(cpu, si)
    err = try_to_unuse(cpu, p, device)
    if err < 0:
        allow_allocation(cpu, si)
        set_writeok(cpu, si, True)
        count(cpu, EV_SWAPOFF_FAILED)
        cpu.unlock(cpu.m.swapon_mutex)
        return err
    wait_for_users(cpu, si)
    if load32(&si.flags) & SWP_PAGE_DISCARD:
        flush_discard_work(cpu, si)
    bad_tables(cpu, si, False)
    free_swap_count_continuations(cpu, device)
    fetch_and32(&si.flags, ~<uint32_t>SWP_USED)
    if not load32(&si.flags) & SWP_SOLIDSTATE:
        add32(&cpu.m.control.nr_rotate_swap, <uint32_t>-1)
    count(cpu, EV_SWAPOFFS)
    record(cpu, LAT_SWAPOFF, since)
    cpu.unlock(cpu.m.swapon_mutex)
    return 0


cdef int swapon(Cpu cpu, uint32_t device) noexcept nogil:
    """Bring an empty device up again. 0, or -EBUSY when it is on or somebody is at it. Context: no lock held."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    if not cpu.trylock(cpu.m.swapon_mutex):
        return EBUSY
    if load32(&si.flags) & SWP_USED:
        cpu.unlock(cpu.m.swapon_mutex)
        return EBUSY
    bad_tables(cpu, si, True)
    allow_allocation(cpu, si)
    fetch_or32(&si.flags, SWP_USED)
    if not load32(&si.flags) & SWP_SOLIDSTATE:
        add32(&cpu.m.control.nr_rotate_swap, 1)
    point(cpu, &si.dead, WRITES)
    store32(&si.dead, 0)
    set_writeok(cpu, si, True)
    cpu.unlock(cpu.m.swapon_mutex)
    return 0
