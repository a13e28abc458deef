"""Memory is charged before it is visible, swap when a slot is allocated (v2) or when the folio leaves RAM (v1)."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from shm.atomic cimport add64, add_i64, load16, load32, load64, load8, load_i64, store16, store32, xchg16
from shm.folio cimport PG_ACTIVE, PG_WORKINGSET
from shm.memcg cimport mem_cgroup
from shm.vmstat cimport (
    EV_CHARGE_FAILED, EV_WORKINGSET_ACTIVATE, EV_WORKINGSET_REFAULT, WARN_CGROUP_RECORD,
)
from workers.cpu cimport Cpu, count, random_u64, warn
from workers.mm.errno cimport ENOMEM
from workers.mm.page_alloc cimport folio_of, folio_set

cdef enum:
    MAX_RECLAIM_RETRIES = 16  # kernel: mm/internal.h
    SWAP_CLUSTER_MAX = 32
    SHADOW_MEMCG_BITS = 8


cdef bint over_limit(Cpu cpu, mem_cgroup *cg) noexcept nogil:
    """Charge one page to every counter that has a limit; False leaves it charged, True charges nothing. Context: no lock."""
    if add_i64(&cg.memory, 1) > cg.memory_limit:
        add_i64(&cg.memory, -1)
        return True
    if cpu.m.control.memcg_version == 1 and add_i64(&cg.memsw, 1) > cg.memsw_limit:
        add_i64(&cg.memsw, -1)
        add_i64(&cg.memory, -1)
        return True
    return False


cdef int try_charge(Cpu cpu, uint32_t memcg) noexcept nogil:
    """One page to `memcg`; reclaims from it while it is over its limit. 0 or -ENOMEM.

    Context: no spinlock held; may sleep. A CPU that reclaims already is let over the limit (PF_MEMALLOC).
    """
    cdef mem_cgroup *cg = &cpu.m.memcgs[memcg]
    cdef uint32_t fruitless = 0
    cdef uint32_t ppm = cpu.m.control.charge_failure_ppm
    if ppm and random_u64(cpu) % 1000000 < ppm:
        count(cpu, EV_CHARGE_FAILED)
        return ENOMEM
    while over_limit(cpu, cg):
        if cpu.memalloc:
            add_i64(&cg.memory, 1)
            if cpu.m.control.memcg_version == 1:
                add_i64(&cg.memsw, 1)
            return 0
        if cpu.try_to_free_pages(cpu, memcg, SWAP_CLUSTER_MAX) == 0:
            fruitless += 1
        if fruitless == MAX_RECLAIM_RETRIES:
            count(cpu, EV_CHARGE_FAILED)
            add64(&cg.oom_events, 1)
            return ENOMEM
    return 0


cdef int mem_cgroup_charge(Cpu cpu, uint32_t pfn, uint32_t memcg) noexcept nogil:
    """Charge a new folio. 0 or -ENOMEM. Context: sole owner of the folio; no spinlock held; may sleep."""
    cdef int err
    if memcg == 0:
        return 0
    err = try_charge(cpu, memcg)
    if err == 0:
        store32(&folio_of(cpu, pfn).memcg, memcg)
    return err


cdef int mem_cgroup_swapin_charge_folio(Cpu cpu, uint32_t pfn, uint32_t current, swp_entry_t entry) noexcept nogil:
    """Charge a folio that is swapped in to whom its slot is recorded for, else to `current`. 0 or -ENOMEM.

    Context: the device is pinned; no spinlock held; may sleep.
    """
    cdef uint32_t memcg = lookup_swap_cgroup_id(cpu, entry)
    return mem_cgroup_charge(cpu, pfn, memcg if memcg else current)


cdef void mem_cgroup_uncharge(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The folio is gone. Context: its last reference is ours."""
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg)
    if memcg == 0:
        return
    store32(&folio_of(cpu, pfn).memcg, 0)
    add_i64(&cpu.m.memcgs[memcg].memory, -1)
    if cpu.m.control.memcg_version == 1:
        add_i64(&cpu.m.memcgs[memcg].memsw, -1)


cdef void swap_cgroup_record(Cpu cpu, uint32_t memcg, swp_entry_t entry) noexcept nogil:
    """Write the slot's id, which must be 0, on a slot that is not free. Context: cluster lock, or sole owner of the slot."""
    cdef uint16_t *id = &cpu.m.swap_cgroup[slot_of(cpu, entry)]
    if load16(id) != 0 or load8(&cpu.m.swap_map[slot_of(cpu, entry)]) == 0:
        warn(cpu, WARN_CGROUP_RECORD, entry, load16(id), memcg)
    store16(id, memcg)
    add_i64(&cpu.m.memcgs[memcg].nr_swap, 1)
    add_i64(&cpu.m.memcgs[memcg].id_refs, 1)


cdef int mem_cgroup_try_charge_swap(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """v2: charge a freshly allocated slot and record its id. 0 or -ENOMEM; v1 does nothing here.

    Context: folio locked; the slot is ours.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg)
    cdef mem_cgroup *cg
    if cpu.m.control.memcg_version != 2 or memcg == 0:
        return 0
    cg = &cpu.m.memcgs[memcg]
    if add_i64(&cg.swap, 1) > cg.swap_limit:
        add_i64(&cg.swap, -1)
        return ENOMEM
    swap_cgroup_record(cpu, memcg, entry)
    return 0


cdef void mem_cgroup_uncharge_swap(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """The slot is freed, or (v1) its page is back in RAM: clear the id, give the charge back.

    Context: cluster lock held, or (memcg1_swapin) the slot's folio locked.
    """
    cdef uint32_t memcg = xchg16(&cpu.m.swap_cgroup[slot_of(cpu, entry)], 0)
    if memcg == 0:
        return
    if cpu.m.control.memcg_version == 1:
        add_i64(&cpu.m.memcgs[memcg].memsw, -1)
    else:
        add_i64(&cpu.m.memcgs[memcg].swap, -1)
    add_i64(&cpu.m.memcgs[memcg].nr_swap, -1)
    add_i64(&cpu.m.memcgs[memcg].id_refs, -1)


cdef void memcg1_swapout(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """v1: the folio leaves RAM; its charge moves from memory to the slot, which gets the id. memsw does not change.

    Context: folio locked, frozen, off the LRU; cluster lock (i_pages lock up to 6.17) held.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg)
    if cpu.m.control.memcg_version != 1 or memcg == 0:
        return
    swap_cgroup_record(cpu, memcg, entry)
    store32(&folio_of(cpu, pfn).memcg, 0)
    add_i64(&cpu.m.memcgs[memcg].memory, -1)


cdef void memcg1_swapin(Cpu cpu, swp_entry_t entry) noexcept nogil:
    """v1: the folio is in RAM and charged; the slot's own charge is given back. Context: the slot's folio locked."""
    if cpu.m.control.memcg_version == 1:
        mem_cgroup_uncharge_swap(cpu, entry)


cdef uint64_t workingset_eviction(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The shadow of a folio that is reclaimed: its memcg and the memcg's age (kernel: mm/workingset.c). Never 0.

    Context: folio locked and frozen.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg)
    return add64(&cpu.m.memcgs[memcg].nonresident_age, 1) << SHADOW_MEMCG_BITS | memcg


cdef void workingset_refault(Cpu cpu, uint32_t pfn, uint64_t shadow) noexcept nogil:
    """A folio is back: activate it when it was away for less than the lists are long. Context: folio locked."""
    cdef mem_cgroup *cg = &cpu.m.memcgs[shadow & 0xFF]
    cdef uint64_t distance = load64(&cg.nonresident_age) - (shadow >> SHADOW_MEMCG_BITS)
    count(cpu, EV_WORKINGSET_REFAULT)
    if distance <= <uint64_t>load_i64(&cg.memory):
        folio_set(folio_of(cpu, pfn), PG_ACTIVE | PG_WORKINGSET)
        count(cpu, EV_WORKINGSET_ACTIVATE)
