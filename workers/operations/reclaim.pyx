"""Folios leave memory: a slot, every PTE a swap entry, the write, out of the cache. Whatever is used on the way stays."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from shm.atomic cimport load32, load_i32, load_i64
from shm.folio cimport (
    PG_ACTIVE, PG_ANON, PG_DIRTY, PG_RECLAIM, PG_REFERENCED, PG_SWAPBACKED, PG_SWAPCACHE, PG_WRITEBACK, folio_t,
)
from shm.memcg cimport COUNTER_MEMORY, LRU_ACTIVE_ANON, LRU_INACTIVE_ANON, mem_cgroup
from shm.shmem cimport MAPPING_NONE
from shm.vmstat cimport (
    EV_PGLAZYFREED, EV_PGSCAN, EV_PGSTEAL, EV_SWPOUT_LARGE, EV_THP_SWPOUT_FALLBACK, LAT_RECLAIM, WAIT_RECLAIM,
)
from workers.cpu cimport READS, Cpu, account_less, count, point, record, waited
from workers.mm.filemap cimport folio_trylock, folio_unlock, wait_event_tick
from workers.mm.huge_memory cimport split_folio
from workers.mm.memcontrol cimport (
    mem_cgroup_get_nr_swap_pages, mem_cgroup_is_descendant, mem_cgroup_iter,
)
from workers.mm.page_alloc cimport (
    folio_clear, folio_of, folio_pages, folio_put, folio_ref_freeze, folio_set, folio_test, folio_test_large, folio_test_set,
    free_folio,
)
from workers.mm.page_counter cimport counter_of
from workers.mm.page_io cimport AOP_WRITEPAGE_ACTIVATE, swap_writeout
from workers.mm.rmap cimport folio_mapped, folio_partially_mapped, folio_referenced, try_to_unmap
from workers.mm.shmem cimport shmem_writeout
from workers.mm.swap_state cimport mem_cgroup_swap_full
from workers.mm.vmscan_lists cimport ISOLATE_BATCH, isolate_lru_folios, lru_add
from workers.mm.zswap_writeback cimport zswap_shrink_worker, zswap_shrinker_scan
from workers.mm.protocol cimport Protocol

cdef enum:  # what became of a folio
    PAGE_KEEP = 0
    PAGE_ACTIVATE = 1
    PAGE_FREED = 2

cdef enum:
    DEF_PRIORITY = 12  # a scan begins with 1 / 2^12 of a list and doubles its share until all has been looked at


cdef int check_references(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Second chance (kernel: folio_check_references). PAGE_FREED: reclaim it. Context: folio locked."""
    cdef uint32_t referenced = folio_referenced(cpu, pfn)
    cdef bint before
    if referenced == 0:
        return PAGE_FREED
    before = folio_test_set(folio_of(cpu, pfn), PG_REFERENCED)
    return PAGE_ACTIVATE if before or referenced > 1 else PAGE_KEEP


cdef int drop_lazyfree(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The last step of a folio that was freed lazily: nothing is written. Context: folio locked, unmapped, unlocked here."""
    if not folio_ref_freeze(cpu, pfn, 1):
        folio_unlock(cpu, pfn)
        return PAGE_KEEP
    cpu.my.events[EV_PGLAZYFREED] += folio_pages(cpu, pfn)
    folio_unlock(cpu, pfn)
    free_folio(cpu, pfn)
    return PAGE_FREED


cdef bint may_write(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether a folio in the page cache of a file is nobody else's (kernel: is_page_cache_freeable); one that was truncated
    is nobody's. Context: folio locked, a reference held."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    if folio_test(folio, PG_SWAPCACHE):
        return True
    point(cpu, &folio.refcount, READS)
    return load32(&folio.mapping) != MAPPING_NONE and load_i32(&folio.refcount) == 1 + <int32_t>folio_pages(cpu, pfn)


cdef int write_and_remove(Cpu cpu, Protocol p, uint32_t pfn, bint *split) noexcept nogil:
    """The last steps of an unmapped cache folio: clean it, and take it out. One of a file goes from its page cache to swap.

    Context: folio locked, unlocked here.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef int written
    if folio_test(folio, PG_DIRTY):
        if p.folio_free_swap(cpu, pfn):  # nobody needs its contents any more
            folio_unlock(cpu, pfn)
            return PAGE_KEEP
        if not may_write(cpu, pfn):
            folio_unlock(cpu, pfn)
            return PAGE_KEEP
        folio_clear(folio, PG_DIRTY)
        folio_set(folio, PG_RECLAIM)
        written = swap_writeout(cpu, pfn) if folio_test(folio, PG_SWAPCACHE) else shmem_writeout(cpu, p, pfn, split)
        if written == AOP_WRITEPAGE_ACTIVATE:
            folio_clear(folio, PG_RECLAIM)
            folio_unlock(cpu, pfn)
        if written != 0:
            return PAGE_ACTIVATE
        if not folio_trylock(cpu, pfn):
            return PAGE_KEEP
        if folio_test(folio, PG_DIRTY | PG_WRITEBACK):
            folio_unlock(cpu, pfn)
            return PAGE_KEEP
    if not folio_test(folio, PG_SWAPCACHE) or not p.remove_mapping(cpu, pfn):
        folio_unlock(cpu, pfn)
        return PAGE_KEEP
    folio_unlock(cpu, pfn)
    free_folio(cpu, pfn)
    return PAGE_FREED


cdef int add_to_swap(Cpu cpu, Protocol p, uint32_t pfn, bint *split) noexcept nogil:
    """Slots for a folio. What has lost a part of its mappings, or finds no room as a whole, is split before; its other pages
    then wait for their turn. PAGE_FREED: go on. Context: folio locked and isolated; takes cluster locks; may sleep."""
    if folio_partially_mapped(cpu, pfn):
        if split_folio(cpu, p, pfn) < 0:
            return PAGE_ACTIVATE
        split[0] = True
    if p.folio_alloc_swap(cpu, pfn) < 0:
        if not folio_test_large(cpu, pfn) or split_folio(cpu, p, pfn) < 0:
            return PAGE_ACTIVATE
        split[0] = True
        count(cpu, EV_THP_SWPOUT_FALLBACK)
        if p.folio_alloc_swap(cpu, pfn) < 0:
            return PAGE_ACTIVATE
    if folio_test_large(cpu, pfn):
        count(cpu, EV_SWPOUT_LARGE)
    folio_set(folio_of(cpu, pfn), PG_DIRTY)
    return PAGE_FREED


cdef int reclaim_folio(Cpu cpu, Protocol p, uint32_t pfn, bint ignore_references, bint *split) noexcept nogil:
    """One isolated folio through all steps (kernel: shrink_folio_list). Context: a reference held; no lock; may sleep."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef int verdict
    if not folio_trylock(cpu, pfn):
        return PAGE_KEEP
    if folio_test(folio, PG_WRITEBACK):
        folio_set(folio, PG_RECLAIM)
        folio_unlock(cpu, pfn)
        return PAGE_KEEP
    verdict = PAGE_FREED if ignore_references else check_references(cpu, pfn)
    if verdict == PAGE_FREED and folio_test(folio, PG_SWAPBACKED) and not folio_test(folio, PG_SWAPCACHE) and (
            load32(&folio.mapping) == 0):
        if not folio_test(folio, PG_ANON):  # never mapped: of a fault that has not come to its end, or is given up
            folio_unlock(cpu, pfn)
            return PAGE_KEEP
        verdict = add_to_swap(cpu, p, pfn, split)
    if verdict == PAGE_FREED and folio_mapped(cpu, pfn) and not try_to_unmap(cpu, p, pfn):
        verdict = PAGE_ACTIVATE
    if verdict != PAGE_FREED:
        if verdict == PAGE_ACTIVATE and folio_test(folio, PG_SWAPCACHE) and mem_cgroup_swap_full(cpu, pfn):
            p.folio_free_swap(cpu, pfn)
        folio_unlock(cpu, pfn)
        return verdict
    return write_and_remove(cpu, p, pfn, split) if folio_test(folio, PG_SWAPBACKED) else drop_lazyfree(cpu, pfn)


cdef uint32_t reclaim_one(Cpu cpu, Protocol p, uint32_t pfn, bint ignore_references, bint *split) noexcept nogil:
    """Reclaim one isolated folio, or put it back. Pages that are free now. `split`: the folio was one of more pages, which
    are isolated now each for itself. Context: as shrink_folio_list."""
    cdef uint32_t nr = folio_pages(cpu, pfn)
    cdef int verdict = reclaim_folio(cpu, p, pfn, ignore_references, split)
    if verdict == PAGE_FREED:
        return 1 if split[0] else nr
    lru_add(cpu, pfn, verdict == PAGE_ACTIVATE)
    folio_put(cpu, pfn)
    return 0


cdef uint32_t shrink_folio_list(Cpu cpu, Protocol p, uint32_t *batch, uint32_t n, bint ignore_references) noexcept nogil:
    """Reclaim what can be of `n` isolated folios; the rest goes back to the lists. Returns how many pages are free.

    When zswap has refused one of them, it is shrunk before this returns (kernel: by a worker).
    Context: a reference of each held; no lock; may sleep.
    """
    cdef uint32_t i, page, nr, scanned = 0, freed = 0
    cdef bint split
    for i in range(n):
        nr = folio_pages(cpu, batch[i])
        scanned += nr
        split = False
        freed += reclaim_one(cpu, p, batch[i], ignore_references, &split)
        for page in range(batch[i] + 1, batch[i] + (nr if split else 1)):
            freed += reclaim_one(cpu, p, page, ignore_references, &split)
    zswap_shrink_worker(cpu, p)
    cpu.my.events[EV_PGSCAN] += scanned
    cpu.my.events[EV_PGSTEAL] += freed
    return freed


cdef void shrink_active_list(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Move old active folios to the inactive list. Context: no lock held; takes lruvec lock."""
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t i, n = isolate_lru_folios(cpu, memcg, LRU_ACTIVE_ANON, batch, ISOLATE_BATCH)
    for i in range(n):
        folio_clear(folio_of(cpu, batch[i]), PG_ACTIVE)
        lru_add(cpu, batch[i], False)
        folio_put(cpu, batch[i])


cdef uint32_t shrink_lruvec(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr, uint32_t priority) noexcept nogil:
    """Scan 1 / 2^priority of one memcg's inactive list, a batch at least; stops when `nr` are free. Returns how many.

    Context: no lock held; may sleep.
    """
    cdef mem_cgroup *cg = &cpu.m.memcgs[memcg]
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t n, freed = 0, scanned = 0
    cdef uint32_t to_scan = load32(&cg.lru[LRU_INACTIVE_ANON].nr) >> priority
    while True:
        if load32(&cg.lru[LRU_INACTIVE_ANON].nr) <= load32(&cg.lru[LRU_ACTIVE_ANON].nr):
            shrink_active_list(cpu, memcg)
        n = isolate_lru_folios(cpu, memcg, LRU_INACTIVE_ANON, batch, nr if nr < ISOLATE_BATCH else ISOLATE_BATCH)
        freed += shrink_folio_list(cpu, p, batch, n, False)
        scanned += n
        if n == 0 or freed >= nr or scanned >= to_scan:
            return freed


cdef bint can_reclaim_anon_pages(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Whether there is swap left to write to, for that memcg (v2). Context: none, a guess."""
    return mem_cgroup_get_nr_swap_pages(cpu, memcg) > 0


cdef bint isolated_by_others(Cpu cpu, uint32_t memcg) noexcept nogil:
    """Whether charged folios are off the lists just now (kernel: too_many_isolated). Context: none, a guess."""
    cdef int64_t listed = 0
    cdef uint32_t cg
    for cg in range(1, <uint32_t>cpu.m.geo.memcgs + 1):
        if mem_cgroup_is_descendant(cpu, cg, memcg):
            listed += load32(&cpu.m.memcgs[cg].lru[LRU_INACTIVE_ANON].nr)
            listed += load32(&cpu.m.memcgs[cg].lru[LRU_ACTIVE_ANON].nr)
    return memcg != 0 and load_i64(&counter_of(cpu, memcg, COUNTER_MEMORY).usage) > listed


cdef uint32_t subtree_size(Cpu cpu, uint32_t memcg) noexcept nogil:
    """How many memcgs are below one, itself included; of the root all. Context: none; the tree is set at format."""
    cdef uint32_t cg, n = 0
    for cg in range(<uint32_t>cpu.m.geo.memcgs + 1):
        n += mem_cgroup_is_descendant(cpu, cg, memcg)
    return n


cdef uint32_t shrink_node_memcgs(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr, uint32_t priority) noexcept nogil:
    """One round over a memcg and all below it, from where the last round ended, until `nr` folios are free.

    Offline memcgs have folios to reclaim too. Returns how many are free. Context: no lock held; may sleep.
    """
    cdef uint32_t i, cg, freed = 0
    for i in range(subtree_size(cpu, memcg)):
        cg = mem_cgroup_iter(cpu, memcg)
        if can_reclaim_anon_pages(cpu, cg):
            freed += shrink_lruvec(cpu, p, cg, nr - freed, priority)
            zswap_shrinker_scan(cpu, p, cg, priority)
        if freed >= nr:
            break
    return freed


cdef uint32_t try_to_free_pages(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil:
    """Direct reclaim of about `nr` folios, from one memcg and those below it, or (0) from all. Returns how many are free.

    Throttled by a tick at most when all that could go is under writeback, or isolated by other CPUs.
    Context: no spinlock held; sleeps. Does not recurse.
    """
    cdef uint32_t freed = 0, priority = DEF_PRIORITY
    cdef uint64_t since = cpu.now(), nested = waited(cpu)
    if cpu.memalloc or not can_reclaim_anon_pages(cpu, memcg):
        return 0
    cpu.memalloc = True
    while True:
        freed += shrink_node_memcgs(cpu, p, memcg, nr - freed, priority)
        if freed >= nr or priority == 0:
            break
        priority -= 1
    cpu.memalloc = False
    account_less(cpu, WAIT_RECLAIM, since, nested)
    record(cpu, LAT_RECLAIM, since)
    if not freed and (load_i64(&cpu.m.control.nr_writeback) > 0 or isolated_by_others(cpu, memcg)):
        wait_event_tick(cpu, &cpu.m.control.nr_writeback, cpu.m.control.tick_ns, WAIT_RECLAIM)
    return freed


cdef uint32_t memory_reclaim(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil:
    """Proactive reclaim (kernel: the memory.reclaim file of cgroup v2): a batch of each memcg below, until `nr` are free.

    Context: no lock held; sleeps.
    """
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t n, i, cg, freed = 0
    cpu.memalloc = True
    for i in range(subtree_size(cpu, memcg)):
        cg = mem_cgroup_iter(cpu, memcg)
        n = nr - freed if nr - freed < ISOLATE_BATCH else ISOLATE_BATCH
        n = isolate_lru_folios(cpu, cg, LRU_INACTIVE_ANON, batch, n)
        if n == 0:
            shrink_active_list(cpu, cg)
        freed += shrink_folio_list(cpu, p, batch, n, True)
        if freed >= nr:
            break
    cpu.memalloc = False
    return freed
