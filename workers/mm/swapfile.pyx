"""References of slots: who pins a device, who counts, who frees (kernel: mm/swapfile.c, 6.12 to 7.0)."""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from shm.atomic cimport add_i64, load32, load64, load8, store8
from shm.cluster cimport CLUSTER_FLAG_NONFULL, swap_cluster_info
from shm.inject cimport INJECT_LOCK_DELAY
from shm.layout cimport cluster_at
from shm.lock cimport lock_holder
from shm.slots cimport slot_count, slot_has_references
from shm.swap_map cimport SLOTS_TABLE, SWAP_HAS_CACHE, SWAP_MAP_BAD, SWAP_MAP_SHMEM
from shm.swap_table cimport SWP_TB_NULL, swap_table_set, swp_tb_is_folio, swp_tb_to_pfn
from shm.swapfile cimport SWP_USED, swap_info_struct
from shm.swp_entry cimport swp_entry_t, swp_offset, swp_type
from shm.trace cimport TRACE_FREE_SLOT
from shm.vmstat cimport (
    WAIT_FOLIO_LOCK, WAIT_MMAP_LOCK, WAIT_RECLAIM, WAIT_TICK_SLEEP, WARN_FIRST_REFERENCE,
    WARN_FREE_IN_USE, WARN_FREE_UNLOCKED, WARN_NO_SLOT, WARN_SPIN,
)
from workers.cpu cimport (
    ADDS, WRITES, Cpu, injected, load_own64, point, smp_mb, store_delayable32, store_delayable64, trace, warn,
)
from workers.mm.checks cimport note_slot_freed
from workers.mm.errno cimport EEXIST, ENOENT, ENOMEM
from workers.mm.filemap cimport wake_event
from workers.mm.memcontrol cimport mem_cgroup_uncharge_swap, slot_of
from workers.mm.page_alloc cimport stack_push
from workers.mm.protocol cimport Protocol
from workers.mm.swap_avail cimport swap_usage_sub
from workers.mm.swap_lists cimport free_cluster, move_cluster
from workers.mm.zswap_pool cimport zswap_invalidate

cdef enum:
    LOCK_DELAY_NS = 10000  # what an injected delay holds a cluster lock for


cdef void count_user(Cpu cpu, uint32_t device, int64_t by) noexcept nogil:
    """References taken less given back on this CPU: its own word, which swapoff adds up. Context: none."""
    cdef uint64_t *users = <uint64_t *>&cpu.my.users[device]
    store_delayable64(cpu, users, load_own64(cpu, users) + <uint64_t>by)


cdef bint get_swap_device(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Pin the device so that swapoff waits; False when it goes, or the offset lies beyond it.

    Does not look at the count: a slot may be pinned by its cache alone. Context: no lock needed.
    """
    cdef swap_info_struct *si = si_of(cpu, entry)
    if swp_type(entry) >= cpu.m.geo.devices or swp_offset(entry) >= si.max:
        return False
    point(cpu, &si.dead, ADDS)
    count_user(cpu, si.type, 1)
    smp_mb(cpu)  # pairs with percpu_ref_kill: one of the two sees the other
    if load32(&si.dead):
        put_swap_device(cpu, si.type)
        return False
    return True


cdef void put_swap_device(Cpu cpu, uint32_t device) noexcept nogil:
    """Context: the device is pinned by us."""
    cdef swap_info_struct *si = &cpu.m.si[device]
    point(cpu, &si.dead, ADDS)
    count_user(cpu, device, -1)
    smp_mb(cpu)
    if load32(&si.dead):
        wake_event(cpu, &si.dead)


cdef void check_slot(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Warn where no device in use has that slot (law T9): the header, beyond the end, a device that is off. Context: none."""
    if swp_type(entry) >= cpu.m.geo.devices or swp_offset(entry) == 0 or swp_offset(entry) >= si_of(cpu, entry).max or (
            not load32(&si_of(cpu, entry).flags) & SWP_USED):
        warn(cpu, WARN_NO_SLOT, entry, load32(&si_of(cpu, entry).flags) if swp_type(entry) < cpu.m.geo.devices else 0, 0)


cdef swap_cluster_info *swap_cluster_lock(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: the device is pinned; takes the cluster lock."""
    cdef swap_cluster_info *ci = ci_of(cpu, entry)
    cpu.lock(&ci.lock)
    if cpu.cooperative:
        check_slot(cpu, entry)
    if injected(cpu, INJECT_LOCK_DELAY):
        cpu.busy(LOCK_DELAY_NS)
    return ci


cdef void swap_cluster_unlock(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: cluster lock held; the laws of a cluster hold here."""
    if cpu.cooperative:
        cpu.cluster_unlocked(swp_type(entry), cluster_at(&cpu.m, swp_offset(entry)))
    cpu.unlock(&ci_of(cpu, entry).lock)


cdef void swap_cache_lock(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The lock that guards the slot's word: its cluster's, up to 6.17 that of its address_space (Protocol.i_pages).

    Context: the device is pinned; takes that lock.
    """
    if cpu.m.control.i_pages:
        cpu.lock(i_pages_of(cpu, entry))
    else:
        swap_cluster_lock(cpu, entry)


cdef void swap_cache_unlock(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Context: swap_cache_lock held."""
    if cpu.m.control.i_pages:
        cpu.unlock(i_pages_of(cpu, entry))
    else:
        swap_cluster_unlock(cpu, entry)


cdef void check_first_reference(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Warn unless the slot's folio is in the swap cache and locked by us. Context: cluster lock held."""
    cdef uint64_t *word = swap_word(cpu, entry)
    cdef uint32_t pfn = 0
    if word != NULL and swp_tb_is_folio(load64(word)):
        pfn = swp_tb_to_pfn(load64(word))
    if pfn == 0 or load32(&cpu.m.folios[pfn].lock_owner) != cpu.id + 1:
        warn(cpu, WARN_FIRST_REFERENCE, entry, pfn, load32(&cpu.m.folios[pfn].lock_owner))


cdef int swap_dup_entry(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """One more PTE refers to the slot. 0, -ENOENT, -ENOMEM: swap_count_alloc is to be called, with no spinlock held.

    Context: a reference or the locked cache folio pins the slot; takes the cluster lock.
    """
    cdef swap_cluster_info *ci = swap_cluster_lock(cpu, entry)
    cdef bint first = not slot_has_references(&cpu.m, slot_of(cpu, entry))
    cdef int err = p.swap_dup_entry_locked(cpu, ci, entry)
    if first and err == 0:
        check_first_reference(cpu, entry)
    swap_cluster_unlock(cpu, entry)
    return err


cdef int folio_dup_swap(Cpu cpu, Protocol p, swp_entry_t entry) noexcept nogil:
    """One more PTE refers to the folio's slot; memory for the count is had without sleeping. 0, -ENOENT, -ENOMEM.

    Context: folio locked and in the cache, page-table lock held; takes the cluster lock.
    """
    cdef int err = swap_dup_entry(cpu, p, entry)
    while err == ENOMEM and p.swap_count_alloc(cpu, entry) == 0:
        err = swap_dup_entry(cpu, p, entry)
    return err


cdef void swap_shmem_alloc(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """A file refers to `nr` slots: a mark, not a count (up to 6.19). Context: folio locked and in the cache; takes the cluster lock."""
    cdef uint8_t *byte = &cpu.m.swap_map[slot_of(cpu, entry)]
    cdef uint32_t i
    swap_cluster_lock(cpu, entry)
    check_first_reference(cpu, entry)
    for i in range(nr):
        point(cpu, &byte[i], WRITES)
        store8(&byte[i], (load8(&byte[i]) & SWAP_HAS_CACHE) | SWAP_MAP_SHMEM)
    swap_cluster_unlock(cpu, entry)


cdef uint64_t sleeps(Cpu cpu) noexcept nogil:
    """How often this CPU has slept. Context: none."""
    return (cpu.my.waits[WAIT_TICK_SLEEP].count + cpu.my.waits[WAIT_FOLIO_LOCK].count + cpu.my.waits[WAIT_MMAP_LOCK].count
            + cpu.my.waits[WAIT_RECLAIM].count)


cdef void claim_refused(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Somebody else has claimed the slot. Who asks again has slept meanwhile: the holder may need this very CPU.

    Context: none; writes this CPU's own block.
    """
    cdef uint64_t slept = sleeps(cpu)
    if cpu.my.refused_entry == entry and cpu.my.refused_sleeps == slept:
        warn(cpu, WARN_SPIN, entry, slept, 0)
    cpu.my.refused_entry = entry
    cpu.my.refused_sleeps = slept


cdef int swapcache_prepare(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Claim `nr` slots by their SWAP_HAS_CACHE bit, all or none (up to 6.19). 0, -EEXIST, -ENOENT.

    Context: takes the cluster lock.
    """
    cdef uint8_t *byte = &cpu.m.swap_map[slot_of(cpu, entry)]
    cdef uint32_t i
    cdef int err = 0
    swap_cluster_lock(cpu, entry)
    for i in range(nr):
        if err == 0 and (load8(&byte[i]) == 0 or load8(&byte[i]) == SWAP_MAP_BAD):
            err = ENOENT
        elif err == 0 and load8(&byte[i]) & SWAP_HAS_CACHE:
            err = EEXIST
    if err == EEXIST:
        claim_refused(cpu, entry)
    if err == 0:
        for i in range(nr):
            point(cpu, &byte[i], WRITES)
            store8(&byte[i], load8(&byte[i]) | SWAP_HAS_CACHE)
        cpu.my.refused_entry = 0
    swap_cluster_unlock(cpu, entry)
    return err


cdef void clear_shadow(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """A free slot keeps no word. Context: cluster lock held; takes the i_pages lock nested in it where that guards."""
    cdef uint64_t *word = swap_word(cpu, entry)
    if word == NULL or load64(word) == SWP_TB_NULL:
        return
    if swp_tb_is_folio(load64(word)):
        warn(cpu, WARN_FREE_IN_USE, entry, swp_tb_to_pfn(load64(word)), 0)
    if cpu.m.control.i_pages:
        cpu.lock(i_pages_of(cpu, entry))
        swap_table_set(word, 0, SWP_TB_NULL)
        cpu.unlock(i_pages_of(cpu, entry))
    else:
        swap_table_set(word, 0, SWP_TB_NULL)


cdef void swap_slot_free_notify(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """A zram drops its copy of the slot; a disk has nothing to drop. Context: cluster lock held, or the slot's folio locked."""
    cdef uint32_t *handle = &cpu.m.handles[slot_of(cpu, entry)]
    cdef uint32_t device = swp_type(entry), block
    if not synchronous_io(cpu, entry):
        return
    point(cpu, handle, WRITES)
    block = load32(handle)
    if block:
        store_delayable32(cpu, handle, 0)
        stack_push(cpu, &cpu.m.devices[device].free_blocks, &cpu.m.block_next[device * (cpu.m.geo.blocks + 1)], block)


cdef void swap_range_free(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """Tell everybody who keeps something of the slot: zero-filled map, zswap, driver, shadow, counters.

    Context: cluster lock held; takes the lock of a list of zswap.
    """
    cdef swap_info_struct *si = si_of(cpu, entry)
    zeromap_set(cpu, slot_of(cpu, entry), False)
    zswap_invalidate(cpu, entry)
    swap_slot_free_notify(cpu, entry)
    clear_shadow(cpu, entry)
    smp_mb(cpu)  # pairs with the barrier at the end of try_to_unuse
    add_i64(&cpu.m.control.nr_swap_pages, 1)
    swap_usage_sub(cpu, si, 1)
    trace(cpu, TRACE_FREE_SLOT, entry, 0, 0)


cdef void swap_entry_free_locked(Cpu cpu, swap_cluster_info *ci, swp_entry_t entry) noexcept nogil:
    """The slot is free from here (kernel: swap_entries_free). Context: cluster lock held; takes si->lock."""
    if slot_has_references(&cpu.m, slot_of(cpu, entry)):
        warn(cpu, WARN_FREE_IN_USE, entry, 0, slot_count(&cpu.m, slot_of(cpu, entry)))
    if lock_holder(&ci.lock) != <int>cpu.id:
        warn(cpu, WARN_FREE_UNLOCKED, entry, load64(&ci.lock.word), 0)
    if cpu.m.geo.slot_format != SLOTS_TABLE:
        point(cpu, &cpu.m.swap_map[slot_of(cpu, entry)], WRITES)
        store8(&cpu.m.swap_map[slot_of(cpu, entry)], 0)
    mem_cgroup_uncharge_swap(cpu, entry, 1)
    swap_range_free(cpu, entry)
    note_slot_freed(cpu, entry)
    ci.count -= 1
    if ci.swept:
        ci.swept = ci.count + 1
    if ci.count == 0:
        free_cluster(cpu, swp_type(entry), <uint32_t>cluster_at(&cpu.m, swp_offset(entry)))
    elif ci.flags != CLUSTER_FLAG_NONFULL:
        move_cluster(cpu, swp_type(entry), <uint32_t>cluster_at(&cpu.m, swp_offset(entry)),
                     CLUSTER_FLAG_NONFULL)


cdef void swap_free_nr(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """PTEs that referred to `nr` slots of one cluster do no more. Context: takes the cluster lock."""
    cdef swap_cluster_info *ci = swap_cluster_lock(cpu, entry)
    cdef uint32_t i
    for i in range(nr):
        p.swap_put_entry_locked(cpu, ci, entry + i)
    swap_cluster_unlock(cpu, entry)


cdef void put_cache_locked(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """The swap cache pins `nr` slots of one cluster no more; those without references are freed. Context: cluster lock held."""
    cdef uint32_t i
    for i in range(nr):
        p.swap_put_cache_locked(cpu, ci_of(cpu, entry), entry + i)


cdef void put_swap_folio(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Clear SWAP_HAS_CACHE of `nr` slots; frees those without references (up to 6.19, also swapcache_clear).

    Context: the bits are ours; takes the cluster lock.
    """
    swap_cluster_lock(cpu, entry)
    put_cache_locked(cpu, p, entry, nr)
    swap_cluster_unlock(cpu, entry)
