"""Putting folios on the LRU lists and taking them off. An isolated folio carries a reference of its isolator."""
from libc.stdint cimport uint32_t

from shm.atomic cimport load32, store32
from shm.folio cimport PG_ACTIVE, PG_LRU, PG_REFERENCED, PG_SWAPBACKED, PG_SWAPCACHE, PG_WORKINGSET, folio_nr_pages, folio_t
from shm.memcg cimport LRU_ACTIVE_ANON, LRU_INACTIVE_ANON, lru_t, mem_cgroup
from shm.vmstat cimport EV_PGDEACTIVATE, EV_PGLAZYFREE
from workers.cpu cimport Cpu
from workers.mm.page_alloc cimport folio_clear, folio_of, folio_set, folio_test, folio_try_get


cdef inline mem_cgroup *lruvec_of(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: the folio's charge does not change: it is mapped, locked, isolated, or at its end."""
    return &cpu.m.memcgs[load32(&cpu.m.folios[pfn].memcg)]


cdef void link(Cpu cpu, lru_t *lru, uint32_t pfn, bint at_tail) noexcept nogil:
    """Context: lruvec lock held."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    if at_tail:
        folio.lru_next = 0
        folio.lru_prev = lru.tail
        if lru.tail:
            cpu.m.folios[lru.tail].lru_next = pfn
        else:
            lru.head = pfn
        lru.tail = pfn
    else:
        folio.lru_prev = 0
        folio.lru_next = lru.head
        if lru.head:
            cpu.m.folios[lru.head].lru_prev = pfn
        else:
            lru.tail = pfn
        lru.head = pfn
    store32(&lru.nr, lru.nr + folio_nr_pages(folio))


cdef void unlink(Cpu cpu, lru_t *lru, uint32_t pfn) noexcept nogil:
    """Context: lruvec lock held."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    if folio.lru_prev:
        cpu.m.folios[folio.lru_prev].lru_next = folio.lru_next
    else:
        lru.head = folio.lru_next
    if folio.lru_next:
        cpu.m.folios[folio.lru_next].lru_prev = folio.lru_prev
    else:
        lru.tail = folio.lru_prev
    folio.lru_prev = folio.lru_next = 0
    store32(&lru.nr, lru.nr - folio_nr_pages(folio))


cdef inline uint32_t list_of(folio_t *folio) noexcept nogil:
    return LRU_ACTIVE_ANON if folio_test(folio, PG_ACTIVE) else LRU_INACTIVE_ANON


cdef void lru_add(Cpu cpu, uint32_t pfn, bint active) noexcept nogil:
    """The youngest of its list. Context: the caller has a reference and its charge is settled; takes lruvec lock."""
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cpu.lock(&memcg.lru_lock)
    if active:
        folio_set(folio_of(cpu, pfn), PG_ACTIVE)
    link(cpu, &memcg.lru[list_of(folio_of(cpu, pfn))], pfn, False)
    folio_set(folio_of(cpu, pfn), PG_LRU)
    cpu.unlock(&memcg.lru_lock)


cdef void lru_add_tail(Cpu cpu, uint32_t pfn) noexcept nogil:
    """The next to be reclaimed (kernel: folio_rotate_reclaimable). Context: as lru_add."""
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cpu.lock(&memcg.lru_lock)
    folio_clear(folio_of(cpu, pfn), PG_ACTIVE)
    link(cpu, &memcg.lru[LRU_INACTIVE_ANON], pfn, True)
    folio_set(folio_of(cpu, pfn), PG_LRU)
    cpu.unlock(&memcg.lru_lock)


cdef void lru_del(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Off its list, whatever it is. Context: the last reference is gone; takes lruvec lock."""
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cpu.lock(&memcg.lru_lock)
    if folio_test(folio_of(cpu, pfn), PG_LRU):
        unlink(cpu, &memcg.lru[list_of(folio_of(cpu, pfn))], pfn)
        folio_clear(folio_of(cpu, pfn), PG_LRU)
    cpu.unlock(&memcg.lru_lock)


cdef void folio_deactivate(Cpu cpu, uint32_t pfn) noexcept nogil:
    """To the young end of the inactive list, if it is on a list: an isolated folio is left as it is.

    Context: the caller has a reference; takes lruvec lock.
    """
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cdef folio_t *folio = folio_of(cpu, pfn)
    cpu.lock(&memcg.lru_lock)
    if folio_test(folio, PG_LRU):
        if folio_test(folio, PG_ACTIVE):
            unlink(cpu, &memcg.lru[LRU_ACTIVE_ANON], pfn)
            folio_set(folio, PG_WORKINGSET)
            folio_clear(folio, PG_ACTIVE)
            link(cpu, &memcg.lru[LRU_INACTIVE_ANON], pfn, False)
            cpu.my.events[EV_PGDEACTIVATE] += folio_nr_pages(folio)
        folio_clear(folio, PG_REFERENCED)
    cpu.unlock(&memcg.lru_lock)


cdef void folio_mark_lazyfree(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Reclaim may drop the folio instead of writing it: it is swap-backed no more, until it is stored to. One that is
    isolated, or in the swap cache by now, stays swap-backed. Context: mapped; takes lruvec lock.
    """
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cdef folio_t *folio = folio_of(cpu, pfn)
    cpu.lock(&memcg.lru_lock)
    if folio_test(folio, PG_LRU) and folio_test(folio, PG_SWAPBACKED) and not folio_test(folio, PG_SWAPCACHE):
        unlink(cpu, &memcg.lru[list_of(folio)], pfn)
        folio_clear(folio, PG_ACTIVE | PG_REFERENCED | PG_SWAPBACKED)
        link(cpu, &memcg.lru[LRU_INACTIVE_ANON], pfn, False)
        cpu.my.events[EV_PGLAZYFREE] += folio_nr_pages(folio)
    cpu.unlock(&memcg.lru_lock)


cdef bint folio_isolate_lru(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Take that folio off its list, with a reference. False when it is on none.

    Context: the caller has a reference; takes lruvec lock.
    """
    cdef mem_cgroup *memcg = lruvec_of(cpu, pfn)
    cdef bint isolated = False
    cpu.lock(&memcg.lru_lock)
    if folio_test(folio_of(cpu, pfn), PG_LRU) and folio_try_get(cpu, pfn):
        unlink(cpu, &memcg.lru[list_of(folio_of(cpu, pfn))], pfn)
        folio_clear(folio_of(cpu, pfn), PG_LRU)
        isolated = True
    cpu.unlock(&memcg.lru_lock)
    return isolated


cdef uint32_t isolate_lru_folios(Cpu cpu, uint32_t memcg, uint32_t which, uint32_t *batch, uint32_t nr) noexcept nogil:
    """Up to `nr` folios from the old end of a list into `batch`, each with a reference. Returns how many.

    Context: no spinlock held; takes lruvec lock. A folio whose last reference is just going is skipped.
    """
    cdef mem_cgroup *cg = &cpu.m.memcgs[memcg]
    cdef lru_t *lru = &cg.lru[which]
    cdef uint32_t taken = 0, pfn, older
    cpu.lock(&cg.lru_lock)
    pfn = lru.tail
    while pfn != 0 and taken < nr:
        older = folio_of(cpu, pfn).lru_prev
        if folio_try_get(cpu, pfn):
            unlink(cpu, lru, pfn)
            folio_clear(folio_of(cpu, pfn), PG_LRU)
            batch[taken] = pfn
            taken += 1
        pfn = older
    cpu.unlock(&cg.lru_lock)
    return taken
