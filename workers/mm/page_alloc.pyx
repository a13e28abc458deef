"""Allocation of folios, and their end (kernel: mm/page_alloc.c, mm/swap.c: __folio_put)."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport add_i32, cas64, load32, load64, load_i32, store32, store64, store_i32
from shm.folio cimport PG_LOCKED, PG_LRU, PG_SWAPCACHE, folio_t
from shm.inject cimport INJECT_FOLIO_ALLOC
from shm.layout cimport has_large_folios, percpu_of
from shm.percpu cimport percpu_t
from shm.vmstat cimport EV_ALLOCSTALL, EV_ALLOC_FAILED, WARN_REFCOUNT
from workers.cpu cimport ADDS, READS, WRITES, Cpu, count, injected, point, warn
from workers.mm.buddy cimport free_one_page, rmqueue
from workers.mm.internal cimport MAX_RECLAIM_RETRIES
from workers.mm.memcontrol cimport mem_cgroup_uncharge
from workers.mm.vmscan_lists cimport lru_del

cdef enum:
    SWAP_CLUSTER_MAX = 32


cdef void stack_push(Cpu cpu, uint64_t *head, uint32_t *links, uint32_t index) noexcept nogil:
    """Put `index` on a tagged stack (Treiber 1986). Context: no lock; may be called under any."""
    cdef uint64_t seen
    while True:
        seen = load64(head)
        store32(&links[index], <uint32_t>seen)
        if cas64(head, seen, ((seen >> 32) + 1) << 32 | index):
            return


cdef uint32_t stack_pop(Cpu cpu, uint64_t *head, uint32_t *links) noexcept nogil:
    """Take an index from a tagged stack, 0 when it is empty. Context: no lock; may be called under any."""
    cdef uint64_t seen
    cdef uint32_t index
    while True:
        seen = load64(head)
        index = <uint32_t>seen
        if index == 0:
            return 0
        if cas64(head, seen, ((seen >> 32) + 1) << 32 | load32(&links[index])):
            return index


cdef uint32_t pop_folio(Cpu cpu, percpu_t *owner) noexcept nogil:
    """Context: no lock. The link lies in the folio itself, so the stack is spelled out here.

    Which page it is makes no difference, unless a block of the zone waits for it.
    """
    cdef uint64_t seen
    cdef uint32_t pfn
    if has_large_folios(&cpu.m):
        point(cpu, &owner.free_head, WRITES)
    while True:
        seen = load64(&owner.free_head)
        pfn = <uint32_t>seen
        if pfn == 0:
            return 0
        if cas64(&owner.free_head, seen, ((seen >> 32) + 1) << 32 | load32(&cpu.m.folios[pfn].next_free)):
            return pfn


cdef void prep_new_folio(Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
    """All words of the head but its reference zero, tails that lead to it. Context: nobody else can reach the pages."""
    cdef folio_t *folio = &cpu.m.folios[pfn]
    cdef uint32_t i
    for i in range(1, <uint32_t>1 << order):
        store32(&folio[i].flags, 0)
        store_i32(&folio[i].refcount, 0)
        store_i32(&folio[i].mapcount, 0)
        store64(&folio[i].swap, 0)
        store32(&folio[i].memcg, 0)
        folio[i].order = 0
        store32(&folio[i].head, pfn)
    store32(&folio.flags, 0)
    store_i32(&folio.mapcount, 0)
    store32(&folio.lock_owner, 0)
    store64(&folio.swap, 0)
    store32(&folio.memcg, 0)
    store32(&folio.mapping, 0)
    folio.order = order
    store32(&folio.head, pfn)
    store_i32(&folio.refcount, 1)


cdef uint32_t take_free_folio(Cpu cpu) noexcept nogil:
    """A free folio with one reference, all else zero; PFN_NONE when there is none on any CPU.

    Context: no lock needed, does not sleep.
    """
    cdef uint32_t i, n = <uint32_t>cpu.m.geo.cpus, pfn = pop_folio(cpu, cpu.my)
    if pfn == 0 and has_large_folios(&cpu.m):
        pfn = rmqueue(cpu, 0)
    for i in range(1, n):
        if pfn != 0:
            break
        pfn = pop_folio(cpu, percpu_of(&cpu.m, (cpu.id + i) % n))
    if pfn:
        prep_new_folio(cpu, pfn, 0)
    return pfn


cdef void drain_pages(Cpu cpu) noexcept nogil:
    """The free pages of all CPUs' stacks go to the zone, where they may be blocks. Context: takes the zone lock."""
    cdef uint32_t i, pfn
    for i in range(<uint32_t>cpu.m.geo.cpus):
        pfn = pop_folio(cpu, percpu_of(&cpu.m, i))
        while pfn:
            free_one_page(cpu, pfn, 0)
            pfn = pop_folio(cpu, percpu_of(&cpu.m, i))


cdef uint32_t alloc_large_folio(Cpu cpu, uint32_t order) noexcept nogil:
    """A folio of 2^order pages, without reclaim: whoever wants one has a smaller one to fall back to. PFN_NONE.

    Context: no lock needed; takes the zone lock.
    """
    cdef uint32_t pfn
    if injected(cpu, INJECT_FOLIO_ALLOC):
        return 0
    pfn = rmqueue(cpu, order)
    if pfn == 0:
        drain_pages(cpu)
        pfn = rmqueue(cpu, order)
    if pfn:
        prep_new_folio(cpu, pfn, order)
    return pfn


cdef uint32_t alloc_folio(Cpu cpu) noexcept nogil:
    """A folio; reclaims directly when none is free. PFN_NONE when reclaim gave up.

    Context: no spinlock held; may sleep.
    """
    cdef uint32_t pfn, fruitless = 0
    point(cpu, &cpu.m.control.nr_writeback, READS)
    if injected(cpu, INJECT_FOLIO_ALLOC):
        count(cpu, EV_ALLOC_FAILED)
        return 0
    while True:
        pfn = take_free_folio(cpu)
        if pfn != 0:
            return pfn
        if cpu.memalloc or fruitless == MAX_RECLAIM_RETRIES:
            count(cpu, EV_ALLOC_FAILED)
            return 0
        count(cpu, EV_ALLOCSTALL)
        if cpu.try_to_free_pages(cpu, 0, SWAP_CLUSTER_MAX) == 0:
            fruitless += 1


cdef void free_folio(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The last reference is gone. Context: nobody else can reach it; takes lruvec lock."""
    cdef folio_t *folio = &cpu.m.folios[pfn]
    cdef uint64_t seen
    if folio_test(folio, PG_LRU):
        lru_del(cpu, pfn)
    if folio_test(folio, PG_SWAPCACHE | PG_LOCKED) or load_i32(&folio.mapcount) != 0:
        warn(cpu, WARN_REFCOUNT, load64(&folio.swap), pfn, load32(&folio.flags))
    mem_cgroup_uncharge(cpu, pfn)
    store32(&folio.flags, 0)
    if folio.order:
        free_one_page(cpu, pfn, folio.order)
        return
    if has_large_folios(&cpu.m):
        point(cpu, &cpu.my.free_head, WRITES)
    while True:
        seen = load64(&cpu.my.free_head)
        store32(&folio.next_free, <uint32_t>seen)
        if cas64(&cpu.my.free_head, seen, ((seen >> 32) + 1) << 32 | pfn):
            return


cdef void folio_put(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Give a reference back; the last one frees. Context: may take lruvec lock, zone lock."""
    folio_put_refs(cpu, pfn, 1)


cdef void folio_put_refs(Cpu cpu, uint32_t pfn, uint32_t refs) noexcept nogil:
    """Give `refs` references back; the last one frees. Context: as folio_put."""
    cdef folio_t *folio = &cpu.m.folios[pfn]
    cdef int32_t left
    point(cpu, &folio.refcount, ADDS | WRITES)
    left = add_i32(&folio.refcount, -<int32_t>refs)
    if left == 0:
        free_folio(cpu, pfn)
    elif left < 0:
        warn(cpu, WARN_REFCOUNT, load64(&folio.swap), pfn, <uint64_t><uint32_t>left)
        store_i32(&folio.refcount, 0)
