"""A split takes every PTE of the folio away, freezes its references, makes each page a folio of its own, and puts the PTEs
back. Meanwhile a migration entry stands in each one's place; whoever faults on it waits for the splitter's anon_vma lock.
A folio of a file has no PTE: the words of its mapping name its pages from then on.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport load32, load64, load_i32, store32, store64, store_i32
from shm.folio cimport (
    PG_ACTIVE, PG_ANON, PG_ANON_EXCLUSIVE, PG_DIRTY, PG_ERROR, PG_REFERENCED, PG_SWAPBACKED, PG_SWAPCACHE, PG_UPTODATE,
    PG_WORKINGSET, PG_WRITEBACK, folio_t,
)
from shm.mm cimport (
    MM_FORKING, PTE_MIGRATION_EXCLUSIVE, anon_vma_has, anon_vma_t, is_migration_pte, mk_migration_pte, pte_of_migration, pte_pfn,
)
from shm.layout cimport mapping_of
from shm.shmem cimport folio_to_word
from shm.swap_table cimport pfn_to_swp_tb, swap_table_set, swp_tb_count_bits
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SPLIT_FOLIO, EV_SPLIT_FOLIO_FAILED
from workers.cpu cimport READS, WRITES, Cpu, count, point
from workers.mm.errno cimport EAGAIN, EBUSY
from workers.mm.filemap cimport folio_trylock, folio_unlock
from workers.mm.page_alloc cimport (
    folio_clear, folio_get, folio_of, folio_pages, folio_put, folio_put_refs, folio_ref_freeze, folio_ref_unfreeze, folio_test,
    page_folio,
)
from workers.mm.protocol cimport Protocol
from workers.mm.rmap cimport (
    folio_add_anon_rmap, folio_remove_rmap, pte_lock, pte_maps_folio, pte_of, ptep_get, ptes_unlock, set_pte,
)
from workers.mm.swapfile cimport swap_cache_lock, swap_cache_unlock, swap_word
from workers.mm.vmscan_lists cimport folio_isolate_lru, lru_add

cdef enum:
    KEPT_BY_TAILS = (PG_UPTODATE | PG_ERROR | PG_DIRTY | PG_ACTIVE | PG_SWAPCACHE | PG_SWAPBACKED | PG_WORKINGSET |
                     PG_REFERENCED | PG_ANON)


cdef bint fork_under_way(Cpu cpu, anon_vma_t *av) noexcept nogil:
    """Whether PTEs are just being copied, which may pass from an mm that is still to be visited to one that has been.

    Context: anon_vma lock held, so that no further fork begins.
    """
    cdef uint32_t mm
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if anon_vma_has(av, mm):
            point(cpu, &cpu.m.mms[mm].state, READS)
            if load32(&cpu.m.mms[mm].state) == MM_FORKING:
                return True
    return False


cdef uint32_t migrate_range(Cpu cpu, uint32_t mm, uint32_t pfn, uint32_t first, uint32_t nr) noexcept nogil:
    """Migration entries in place of all PTEs of one mm that map the folio. How many. Context: page-table lock held."""
    cdef uint32_t page, migrated = 0
    cdef uint64_t pte
    cdef bint exclusive
    for page in range(first, first + nr):
        pte = load64(pte_of(cpu, mm, page))
        if not pte_maps_folio(cpu, pte, pfn):
            continue
        exclusive = folio_test(folio_of(cpu, pte_pfn(pte)), PG_ANON_EXCLUSIVE)
        folio_clear(folio_of(cpu, pte_pfn(pte)), PG_ANON_EXCLUSIVE)
        set_pte(cpu, mm, page, mk_migration_pte(pte, exclusive))
        folio_remove_rmap(cpu, pte_pfn(pte))
        migrated += 1
    return migrated


cdef void unmap_folio(Cpu cpu, anon_vma_t *av, uint32_t pfn) noexcept nogil:
    """No PTE maps the folio afterwards (kernel: try_to_migrate). Context: folio locked, anon_vma lock held; takes
    page-table locks."""
    cdef uint32_t mm, page, migrated, nr = folio_pages(cpu, pfn), first = folio_of(cpu, pfn).index
    cdef bint maps
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if not anon_vma_has(av, mm):
            continue
        maps = False
        for page in range(first, first + nr):
            maps = maps or pte_maps_folio(cpu, ptep_get(cpu, mm, page), pfn)
        if not maps:
            continue
        pte_lock(cpu, mm, first)
        migrated = migrate_range(cpu, mm, pfn, first, nr)
        ptes_unlock(cpu, mm, first, first + nr)
        if migrated:
            folio_put_refs(cpu, pfn, migrated)


cdef void remap_page(Cpu cpu, anon_vma_t *av, uint32_t pfn, uint32_t first, uint32_t nr) noexcept nogil:
    """Every migration entry is a PTE again (kernel: remove_migration_ptes). Context: as unmap_folio; our reference of
    each folio held."""
    cdef uint32_t mm, page
    cdef uint64_t pte
    for mm in range(<uint32_t>cpu.m.geo.mms):
        if not anon_vma_has(av, mm):
            continue
        for page in range(first, first + nr):
            pte = ptep_get(cpu, mm, page)
            if not is_migration_pte(pte) or pte_pfn(pte) - pfn >= nr:
                continue
            pte_lock(cpu, mm, page)
            pte = load64(pte_of(cpu, mm, page))
            if is_migration_pte(pte):
                folio_get(cpu, page_folio(cpu, pte_pfn(pte)))
                folio_add_anon_rmap(cpu, pte_pfn(pte), (pte & PTE_MIGRATION_EXCLUSIVE) != 0)
                set_pte(cpu, mm, page, pte_of_migration(pte))
            ptes_unlock(cpu, mm, page, page + 1)


cdef void split_tail(Cpu cpu, Protocol p, uint32_t pfn, uint32_t i, bint kept) noexcept nogil:
    """Page `i` is a folio of its own, with a reference of the splitter's, and of the cache that has it (`kept`).

    Context: the head frozen, nobody maps it.
    """
    cdef folio_t *head = folio_of(cpu, pfn)
    cdef folio_t *tail = folio_of(cpu, pfn + i)
    store32(&tail.flags, load32(&head.flags) & KEPT_BY_TAILS)
    store_i32(&tail.mapcount, 0)
    store32(&tail.lock_owner, 0)
    store64(&tail.swap, p.split_entry(cpu, pfn, i))
    store32(&tail.memcg, load32(&head.memcg))
    store32(&tail.mapping, load32(&head.mapping))
    store32(&tail.anon_vma, head.anon_vma)
    store32(&tail.index, head.index + i)
    tail.order = 0
    store32(&tail.head, pfn + i)
    store_i32(&tail.refcount, 2 if kept else 1)


cdef bint split_frozen(Cpu cpu, Protocol p, uint32_t pfn, uint32_t nr) noexcept nogil:
    """Freeze the references, and let every page have its own. False: somebody else has one.

    Context: folio locked, unmapped; takes the lock of the words where it is in the swap cache, i_pages where in a file.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef bint cached = folio_test(folio, PG_SWAPCACHE), filed = load32(&folio.mapping) != 0, frozen
    cdef swp_entry_t entry = load64(&folio.swap)
    cdef uint64_t *word
    cdef uint32_t i
    if cached:
        swap_cache_lock(cpu, entry)
    if filed:
        cpu.lock(&cpu.m.inodes[folio.mapping - 1].i_pages)
    frozen = folio_ref_freeze(cpu, pfn, 1 + <int32_t>nr if cached or filed else 1)
    if frozen:
        for i in range(1, nr):
            split_tail(cpu, p, pfn, i, cached or filed)
        if cached:
            word = swap_word(cpu, entry)
            for i in range(1, nr):
                point(cpu, &word[i], WRITES)
                swap_table_set(word, i, pfn_to_swp_tb(pfn + i, swp_tb_count_bits(load64(&word[i]))))
        if filed:
            word = &mapping_of(&cpu.m, folio.mapping - 1)[folio.index]
            for i in range(1, nr):
                point(cpu, &word[i], WRITES)
                store64(&word[i], folio_to_word(pfn + i))
        folio.order = 0
        folio_ref_unfreeze(cpu, pfn, 2 if cached or filed else 1)
    if filed:
        cpu.unlock(&cpu.m.inodes[folio.mapping - 1].i_pages)
    if cached:
        swap_cache_unlock(cpu, entry)
    return frozen


cdef int split_anon_folio(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """As split_folio. Context: as there, the folio anonymous; takes anon_vma lock, sleeps."""
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef anon_vma_t *av = &cpu.m.anon_vmas[folio.anon_vma]
    cdef uint32_t nr = folio_pages(cpu, pfn), first = folio.index
    cdef int32_t refs = 1 + (<int32_t>nr if folio_test(folio, PG_SWAPCACHE) else 0)
    cdef int err = 0
    cpu.lock(&av.lock)
    if folio_test(folio, PG_WRITEBACK) or fork_under_way(cpu, av):
        err = EBUSY
    point(cpu, &folio.refcount, READS)
    if err == 0 and load_i32(&folio.refcount) != refs + load_i32(&folio.mapcount):
        err = EAGAIN
    if err == 0:
        unmap_folio(cpu, av, pfn)
        if not split_frozen(cpu, p, pfn, nr):
            err = EAGAIN
        remap_page(cpu, av, pfn, first, nr)
    cpu.unlock(&av.lock)
    return err


cdef int split_folio(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Split to order 0. 0: each of its pages is ours as the folio was, only its first one locked; -EBUSY: it is under
    writeback, or a fork copies; -EAGAIN: somebody else has a reference. Then the folio is as before.

    Context: folio locked, isolated, our one reference beside those of PTEs and swap cache, or of the page cache of a file;
    takes anon_vma lock, or i_pages of the mapping; sleeps.
    """
    cdef int err
    if load32(&folio_of(cpu, pfn).mapping) == 0:
        err = split_anon_folio(cpu, p, pfn)
    else:
        err = 0 if split_frozen(cpu, p, pfn, folio_pages(cpu, pfn)) else EAGAIN
    count(cpu, EV_SPLIT_FOLIO if err == 0 else EV_SPLIT_FOLIO_FAILED)
    return err


cdef bint lock_to_split(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Lock a folio and take it off its list, if nobody else has. Context: page-table lock of a PTE that maps it held; folio
    lock by trylock; takes lruvec lock."""
    if not folio_trylock(cpu, pfn):
        return False
    if folio_isolate_lru(cpu, pfn):
        return True
    folio_unlock(cpu, pfn)
    return False


cdef int split_isolated(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Split a folio that was locked and isolated for it, and put what it is now back on the lists. Errors as split_folio.

    Context: as split_folio; gives folio lock and reference back, takes lruvec lock.
    """
    cdef uint32_t i, nr = folio_pages(cpu, pfn)
    cdef int err = split_folio(cpu, p, pfn)
    folio_unlock(cpu, pfn)
    for i in range(nr if err == 0 else 1):
        lru_add(cpu, pfn + i, folio_test(folio_of(cpu, pfn + i), PG_ACTIVE))
        folio_put(cpu, pfn + i)
    return err


cdef void migration_entry_wait(Cpu cpu, uint32_t mm) noexcept nogil:
    """Until whoever splits a folio that the mm maps has put its PTEs back. Context: mmap_lock held; takes anon_vma lock."""
    cdef anon_vma_t *av = &cpu.m.anon_vmas[cpu.m.mms[mm].anon_vma]
    cpu.lock(&av.lock)
    cpu.unlock(&av.lock)
