"""Memory is charged before it is visible, swap when a slot is allocated (v2) or when the folio leaves RAM (v1)."""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from shm.atomic cimport (
    add32, add64, add_i64, cas32, cas64, load16, load32, load64, load_i64, store16, store32, xchg16,
)
from shm.folio cimport PG_ACTIVE, PG_WORKINGSET, folio_nr_pages
from shm.inject cimport INJECT_CHARGE
from shm.memcg cimport (
    COUNTER_MEMORY, COUNTER_MEMSW, COUNTER_SWAP, CSS_MEMBER, CSS_ONLINE, mem_cgroup, page_counter,
)
from shm.slots cimport slot_is_free
from shm.vmstat cimport (
    EV_CHARGE_FAILED, EV_WORKINGSET_ACTIVATE, EV_WORKINGSET_REFAULT, WARN_CGROUP_RECORD,
)
from workers.cpu cimport ADDS, READS, WRITES, Cpu, count, injected, point, warn
from workers.mm.errno cimport ENOMEM
from workers.mm.internal cimport MAX_RECLAIM_RETRIES
from workers.mm.page_alloc cimport folio_of, folio_set
from workers.mm.protocol cimport Protocol
from workers.mm.page_counter cimport (
    counter_of, page_counter_charge, page_counter_try_charge, page_counter_uncharge, parent_mem_cgroup,
)

cdef enum:
    MAX_RECLAIM_RETRIES_LARGE = 2  # a large folio has a fallback (__GFP_NORETRY)
    SWAP_CLUSTER_MAX = 32
    SHADOW_MEMCG_BITS = 8


cdef inline bint do_memsw_account(Cpu cpu) noexcept nogil:
    """Context: none; set at format."""
    return cpu.m.control.memcg_version == 1


cdef uint32_t charge_or_over(Cpu cpu, uint32_t memcg, int64_t nr, bint *may_swap) noexcept nogil:
    """Charge every counter that has a limit, or none: 0, or the memcg whose limit forbids it.

    `may_swap`: whether swapping out helps; memory and swap together get no less by it. Context: no lock needed.
    """
    cdef uint32_t over = 0
    may_swap[0] = not do_memsw_account(cpu) or page_counter_try_charge(cpu, memcg, COUNTER_MEMSW, nr, &over)
    if may_swap[0] and not page_counter_try_charge(cpu, memcg, COUNTER_MEMORY, nr, &over):
        if do_memsw_account(cpu):
            page_counter_uncharge(cpu, memcg, COUNTER_MEMSW, nr)
    return over


cdef void charge_forced(Cpu cpu, uint32_t memcg, int64_t nr) noexcept nogil:
    """Beyond the limit. Context: no lock needed."""
    page_counter_charge(cpu, memcg, COUNTER_MEMORY, nr)
    if do_memsw_account(cpu):
        page_counter_charge(cpu, memcg, COUNTER_MEMSW, nr)


cdef int try_charge(Cpu cpu, uint32_t memcg, uint32_t nr) noexcept nogil:
    """`nr` pages to `memcg` and all above it; reclaims below whoever is over its limit. 0 or -ENOMEM.

    Context: no spinlock held; may sleep. A CPU that reclaims already is let over the limit (PF_MEMALLOC).
    """
    cdef uint32_t fruitless = 0, over, freed
    cdef bint may_swap = True
    if injected(cpu, INJECT_CHARGE):
        count(cpu, EV_CHARGE_FAILED)
        return ENOMEM
    while True:
        over = charge_or_over(cpu, memcg, nr, &may_swap)
        if over == 0:
            return 0
        if cpu.memalloc:
            charge_forced(cpu, memcg, nr)
            return 0
        freed = 0
        if may_swap:
            freed = cpu.try_to_free_pages(cpu, over, nr if nr > SWAP_CLUSTER_MAX else SWAP_CLUSTER_MAX)
        if freed == 0 or nr > 1:
            fruitless += 1
        if fruitless == (MAX_RECLAIM_RETRIES if nr == 1 else MAX_RECLAIM_RETRIES_LARGE):
            count(cpu, EV_CHARGE_FAILED)
            add64(&cpu.m.memcgs[over].oom_events, 1)
            return ENOMEM


cdef int mem_cgroup_charge(Cpu cpu, uint32_t pfn, uint32_t memcg) noexcept nogil:
    """Charge a new folio. 0 or -ENOMEM. Context: sole owner of the folio; no spinlock held; may sleep."""
    cdef int err
    if memcg == 0:
        return 0
    err = try_charge(cpu, memcg, folio_nr_pages(folio_of(cpu, pfn)))
    if err == 0:
        store32(&folio_of(cpu, pfn).memcg, memcg)
    return err


cdef int mem_cgroup_swapin_charge_folio(Cpu cpu, uint32_t pfn, uint32_t current, swp_entry_t entry) noexcept nogil:
    """Charge a folio that is swapped in to whom its slot is recorded for while that is online, else to `current`.

    0 or -ENOMEM. Context: the device is pinned; no spinlock held; may sleep.
    """
    cdef uint32_t memcg = lookup_swap_cgroup_id(cpu, entry)
    return mem_cgroup_charge(cpu, pfn, memcg if memcg and mem_cgroup_online(cpu, memcg) else current)


cdef void mem_cgroup_uncharge(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The folio is gone. Context: its last reference is ours."""
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg), nr = folio_nr_pages(folio_of(cpu, pfn))
    if memcg == 0:
        return
    store32(&folio_of(cpu, pfn).memcg, 0)
    page_counter_uncharge(cpu, memcg, COUNTER_MEMORY, nr)
    if do_memsw_account(cpu):
        page_counter_uncharge(cpu, memcg, COUNTER_MEMSW, nr)


cdef uint32_t mem_cgroup_id_get_online(Cpu cpu, uint32_t memcg, int64_t nr) noexcept nogil:
    """The nearest ancestor, the memcg itself included, whose id still names it, with `nr` references of that id.

    An offline memcg keeps its id as long as slots are recorded for it. One of the first level is never offline.
    Context: no lock needed.
    """
    cdef int64_t *refs
    cdef int64_t seen
    while True:
        refs = &cpu.m.memcgs[memcg].id_refs
        point(cpu, refs, WRITES)
        seen = load_i64(refs)
        while seen > 0:
            if cas64(<uint64_t *>refs, <uint64_t>seen, <uint64_t>(seen + nr)):
                return memcg
            seen = load_i64(refs)
        memcg = parent_mem_cgroup(cpu, memcg)


cdef void mem_cgroup_id_put(Cpu cpu, uint32_t memcg, int64_t nr) noexcept nogil:
    """Give `nr` references of a memcg's id back. Context: no lock needed."""
    point(cpu, &cpu.m.memcgs[memcg].id_refs, ADDS)
    add_i64(&cpu.m.memcgs[memcg].id_refs, -nr)


cdef void swap_cgroup_record(Cpu cpu, uint32_t memcg, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Write the id to `nr` slots that are not free and have none. Context: cluster lock, or sole owner of the slots."""
    cdef uint16_t *id = &cpu.m.swap_cgroup[slot_of(cpu, entry)]
    cdef uint32_t i
    for i in range(nr):
        point(cpu, &id[i], WRITES)
        if load16(&id[i]) != 0 or slot_is_free(&cpu.m, slot_of(cpu, entry) + i):
            warn(cpu, WARN_CGROUP_RECORD, entry + i, load16(&id[i]), memcg)
        store16(&id[i], memcg)
    add_i64(&cpu.m.memcgs[memcg].nr_swap, nr)


cdef uint16_t swap_cgroup_clear(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """Take the id off `nr` slots, which all have the same one; it is returned. Context: as swap_cgroup_record."""
    cdef uint16_t *id = &cpu.m.swap_cgroup[slot_of(cpu, entry)]
    cdef uint16_t first = 0, other
    cdef uint32_t i
    for i in range(nr):
        point(cpu, &id[i], WRITES)
        other = xchg16(&id[i], 0)
        if i == 0:
            first = other
        elif other != first:
            warn(cpu, WARN_CGROUP_RECORD, entry + i, other, first)
    return first


cdef int mem_cgroup_try_charge_swap(Cpu cpu, Protocol p, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """v2: charge the freshly allocated slots of a folio and record its id on each. 0 or -ENOMEM; v1 does nothing here.

    Context: folio locked; the slots are ours.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg), nr = folio_nr_pages(folio_of(cpu, pfn)), swap_memcg, over
    if do_memsw_account(cpu) or memcg == 0:
        return 0
    swap_memcg = mem_cgroup_id_get_online(cpu, memcg, nr)
    if not page_counter_try_charge(cpu, swap_memcg, COUNTER_SWAP, nr, &over):
        mem_cgroup_id_put(cpu, swap_memcg, nr)
        return ENOMEM
    swap_cgroup_record(cpu, p.recorded_memcg(cpu, memcg, swap_memcg), entry, nr)
    return 0


cdef void mem_cgroup_uncharge_swap(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """`nr` slots are freed, or (v1) their pages are back in RAM: clear their id, give the charge back.

    Context: cluster lock held, or (memcg1_swapin) the slots' folio locked.
    """
    cdef uint32_t memcg = swap_cgroup_clear(cpu, entry, nr)
    if memcg == 0:
        return
    page_counter_uncharge(cpu, memcg, COUNTER_MEMSW if do_memsw_account(cpu) else COUNTER_SWAP, nr)
    add_i64(&cpu.m.memcgs[memcg].nr_swap, -<int64_t>nr)
    mem_cgroup_id_put(cpu, memcg, nr)


cdef void memcg1_swapout(Cpu cpu, Protocol p, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """v1: the folio leaves RAM; its charge moves from memory to the slots, which get the id. memsw does not change.

    A memcg that is gone has no id to record: its ancestor's slots they are then, and its ancestor's memsw.
    Context: folio locked, frozen, off the LRU; cluster lock (i_pages lock up to 6.17) held.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg), nr = folio_nr_pages(folio_of(cpu, pfn)), swap_memcg
    if not do_memsw_account(cpu) or memcg == 0:
        return
    swap_memcg = mem_cgroup_id_get_online(cpu, memcg, nr)
    swap_cgroup_record(cpu, p.recorded_memcg(cpu, memcg, swap_memcg), entry, nr)
    store32(&folio_of(cpu, pfn).memcg, 0)
    page_counter_uncharge(cpu, memcg, COUNTER_MEMORY, nr)
    if swap_memcg != memcg:
        page_counter_charge(cpu, swap_memcg, COUNTER_MEMSW, nr)
        page_counter_uncharge(cpu, memcg, COUNTER_MEMSW, nr)


cdef void memcg1_swapin(Cpu cpu, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """v1: the folio is in RAM and charged; its slots' own charge is given back. Context: the slots' folio locked."""
    if do_memsw_account(cpu):
        mem_cgroup_uncharge_swap(cpu, entry, nr)


cdef int64_t mem_cgroup_get_nr_swap_pages(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Slots that a memcg can still get: as many as are free, and (v2) as all limits above it leave. Context: a guess."""
    cdef int64_t left = load_i64(&cpu.m.control.nr_swap_pages), room
    cdef page_counter *swap
    if do_memsw_account(cpu):
        return left
    while memcg:
        swap = counter_of(cpu, memcg, COUNTER_SWAP)
        room = load_i64(&swap.max) - load_i64(&swap.usage)
        if room < left:
            left = room
        memcg = parent_mem_cgroup(cpu, memcg)
    return left


cdef bint mem_cgroup_is_descendant(Cpu cpu, uint32_t memcg, uint32_t root) noexcept nogil:
    """Whether `memcg` is `root` or below it. Context: none; the tree is set at format."""
    while memcg != root and memcg != 0:
        memcg = parent_mem_cgroup(cpu, memcg)
    return memcg == root


cdef uint32_t mem_cgroup_iter(Cpu cpu, uint32_t root) noexcept nogil:
    """The next memcg of the subtree, itself included, offline ones too: whoever reclaims goes on where the last one ended.

    Context: no lock needed; two CPUs may get the same one.
    """
    cdef uint32_t *position = &cpu.m.memcgs[root].iter_position
    cdef uint32_t at
    point(cpu, position, WRITES)
    at = load32(position)
    while True:
        at = at + 1 if at < cpu.m.geo.memcgs else root
        if mem_cgroup_is_descendant(cpu, at, root):
            store32(position, at)
            return at


cdef bint css_join(Cpu cpu, uint32_t memcg) noexcept nogil:
    """One more mm or online child is in the memcg. False when it is offline. Context: no lock needed."""
    cdef uint32_t *css = &cpu.m.memcgs[memcg].css
    cdef uint32_t seen
    point(cpu, css, WRITES)
    while True:
        seen = load32(css)
        if not seen & CSS_ONLINE:
            return False
        if cas32(css, seen, seen + CSS_MEMBER):
            return True


cdef void css_leave(Cpu cpu, uint32_t memcg) noexcept nogil:
    """An mm or a child that was in it is there no more. Context: no lock needed."""
    point(cpu, &cpu.m.memcgs[memcg].css, ADDS)
    add32(&cpu.m.memcgs[memcg].css, <uint32_t>-CSS_MEMBER)


cdef uint64_t workingset_age(Cpu cpu, uint32_t memcg, uint32_t nr) noexcept nogil:
    """Age a memcg and all above it by `nr` pages. Its age before. Context: no lock needed."""
    cdef uint64_t *age = &cpu.m.memcgs[memcg].nonresident_age
    cdef uint64_t before
    point(cpu, age, WRITES)
    before = add64(age, nr) - nr
    while memcg:
        memcg = parent_mem_cgroup(cpu, memcg)
        add64(&cpu.m.memcgs[memcg].nonresident_age, nr)
    return before


cdef uint64_t workingset_eviction(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The shadow of a folio that is reclaimed: its memcg and the memcg's age (kernel: mm/workingset.c). Never 0.

    Context: folio locked and frozen.
    """
    cdef uint32_t memcg = load32(&folio_of(cpu, pfn).memcg), nr = folio_nr_pages(folio_of(cpu, pfn))
    return (workingset_age(cpu, memcg, nr) + 1) << SHADOW_MEMCG_BITS | memcg


cdef void workingset_refault(Cpu cpu, uint32_t pfn, uint64_t shadow) noexcept nogil:
    """A folio is back: activate it when it was away for less than the lists are long. Context: folio locked."""
    cdef uint32_t memcg = shadow & ((1 << SHADOW_MEMCG_BITS) - 1), nr = folio_nr_pages(folio_of(cpu, pfn))
    cdef mem_cgroup *cg = &cpu.m.memcgs[memcg]
    cdef uint64_t distance = load64(&cg.nonresident_age) - (shadow >> SHADOW_MEMCG_BITS)
    cpu.my.events[EV_WORKINGSET_REFAULT] += nr
    if distance <= <uint64_t>load_i64(&cg.counters[COUNTER_MEMORY].usage):
        folio_set(folio_of(cpu, pfn), PG_ACTIVE | PG_WORKINGSET)
        cpu.my.events[EV_WORKINGSET_ACTIVATE] += nr
