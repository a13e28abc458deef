"""MADV_PAGEOUT reclaims pages of this mm alone at once; MADV_COLD makes them the next to go; MADV_WILLNEED reads what is
swapped out ahead of its use; MADV_DONTNEED drops pages, memory and slots; MADV_FREE lets reclaim drop them, unless they
are stored to before it comes."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport load32, load64, load_i32
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, folio_t
from shm.layout cimport expected_of
from shm.mm cimport PTE_ACCESSED, PTE_DIRTY, expect_freed, is_swap_pte, pte_pfn, pte_present, pte_to_swp_entry
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_DONTNEEDS, EV_OPERATIONS, EV_PAGEOUTS
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.filemap cimport folio_trylock, folio_unlock, mmap_read_lock, mmap_read_unlock
from workers.mm.huge_memory cimport split_isolated
from workers.mm.page_alloc cimport (
    folio_clear, folio_of, folio_pages, folio_put, folio_test, folio_test_large, page_folio,
)
from workers.mm.rmap cimport pte_lock, pte_maps_folio, pte_of, pte_unlock, ptep_get, set_pte
from workers.mm.vmscan_lists cimport ISOLATE_BATCH, folio_deactivate, folio_isolate_lru, folio_mark_lazyfree
from workers.operations.fork_exit cimport zap_range
from workers.operations.readahead cimport read_slot
from workers.operations.reclaim cimport shrink_folio_list
from workers.mm.protocol cimport PIN_READ, Protocol


cdef inline bint mapped_once(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether no other PTE maps the folio. Context: page-table lock of one that does held."""
    point(cpu, &folio_of(cpu, pfn).mapcount, READS)
    return load_i32(&folio_of(cpu, pfn).mapcount) == 1


cdef uint32_t isolate_range(
    Cpu cpu, uint32_t mm, uint32_t first, uint32_t end, uint32_t low, uint32_t high, uint32_t *batch
) noexcept nogil:
    """Present folios with a page in [first, end) that no other mm maps and that [low, high) has all of, off their lists.

    Context: takes page-table locks.
    """
    cdef uint32_t page, pfn, n = 0
    cdef uint64_t pte
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        pte = load64(pte_of(cpu, mm, page))
        if pte_present(pte):
            pfn = page_folio(cpu, pte_pfn(pte))
            if folio_test_large(cpu, pfn):
                pfn = isolate_large(cpu, mm, page, low, high)
            elif not (mapped_once(cpu, pfn) and folio_isolate_lru(cpu, pfn)):
                pfn = 0
            if pfn:
                batch[n] = pfn
                n += 1
        pte_unlock(cpu, mm, page)
    return n


cdef uint32_t isolate_large(Cpu cpu, uint32_t mm, uint32_t page, uint32_t first, uint32_t end) noexcept nogil:
    """The large folio that the page belongs to, off its list, if [first, end) has all of it and no other mm maps it; PFN_NONE.

    Context: page-table lock held; takes lruvec lock.
    """
    cdef uint32_t pfn = page_folio(cpu, pte_pfn(load64(pte_of(cpu, mm, page)))), nr = folio_pages(cpu, pfn), at
    cdef uint32_t start = folio_of(cpu, pfn).index
    if start < first or start + nr > end:
        return 0
    point(cpu, &folio_of(cpu, pfn).mapcount, READS)
    if load_i32(&folio_of(cpu, pfn).mapcount) != <int32_t>nr:
        return 0
    for at in range(start, start + nr):
        if not pte_maps_folio(cpu, load64(pte_of(cpu, mm, at)), pfn):
            return 0
    return pfn if folio_isolate_lru(cpu, pfn) else 0


cdef void split_at(Cpu cpu, uint32_t mm, uint32_t page, uint32_t first, uint32_t end) noexcept nogil:
    """Split the folio that maps the page if it is large, reaches beyond [first, end), and no other mm maps it.

    Context: mm_users held; takes page-table lock; folio lock by trylock; sleeps.
    """
    cdef uint32_t pfn = 0, nr = 0, i, mapped = 0
    cdef uint64_t pte
    cdef bint locked = False
    pte = ptep_get(cpu, mm, page)
    if not pte_present(pte) or not folio_test_large(cpu, page_folio(cpu, pte_pfn(pte))):
        return
    pte_lock(cpu, mm, page)
    pte = load64(pte_of(cpu, mm, page))
    if pte_present(pte):
        pfn = page_folio(cpu, pte_pfn(pte))
        nr = folio_pages(cpu, pfn)
        for i in range(nr if nr > 1 else 0):
            mapped += pte_maps_folio(cpu, load64(pte_of(cpu, mm, folio_of(cpu, pfn).index + i)), pfn)
        point(cpu, &folio_of(cpu, pfn).mapcount, READS)
        if nr > 1 and (folio_of(cpu, pfn).index < first or folio_of(cpu, pfn).index + nr > end or mapped != nr) and (
                load_i32(&folio_of(cpu, pfn).mapcount) == <int32_t>mapped) and folio_trylock(cpu, pfn):
            locked = True
            if not folio_isolate_lru(cpu, pfn):
                folio_unlock(cpu, pfn)
                locked = False
    pte_unlock(cpu, mm, page)
    if locked:
        split_isolated(cpu, pfn)


cdef void split_ends(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """Large folios that a range has a part of are split, so that it has whole folios alone. Context: as split_at."""
    cdef uint32_t page
    if cpu.m.geo.anon_orders:
        for page in range(first, end):
            split_at(cpu, mm, page, first, end)


cdef uint32_t madvise_pageout(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_PAGEOUT of pages [first, end). Returns how many left memory. Context: mm_users held, no lock; sleeps."""
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t n, stop, low = first, freed = 0
    count(cpu, EV_OPERATIONS)
    count(cpu, EV_PAGEOUTS)
    mmap_read_lock(cpu, mm)
    split_ends(cpu, mm, first, end)
    while first < end:
        stop = first + ISOLATE_BATCH if first + ISOLATE_BATCH < end else end
        n = isolate_range(cpu, mm, first, stop, low, end, batch)
        freed += shrink_folio_list(cpu, p, batch, n, True)
        first = stop
    mmap_read_unlock(cpu, mm)
    return freed


cdef void madvise_dontneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_DONTNEED of pages [first, end). Context: mm_users held, no lock; sleeps."""
    count(cpu, EV_OPERATIONS)
    count(cpu, EV_DONTNEEDS)
    mmap_read_lock(cpu, mm)
    zap_range(cpu, p, mm, first, end)
    mmap_read_unlock(cpu, mm)


cdef void madvise_cold(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_COLD of pages [first, end): present ones that no other mm maps lose their marks of use; a large folio that lies in
    the range as a whole is left alone.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks, under them lruvec locks; sleeps.
    """
    cdef uint32_t page
    cdef uint64_t pte
    count(cpu, EV_OPERATIONS)
    mmap_read_lock(cpu, mm)
    split_ends(cpu, mm, first, end)
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        pte = load64(pte_of(cpu, mm, page))
        if pte_present(pte) and not folio_test_large(cpu, page_folio(cpu, pte_pfn(pte))) and mapped_once(cpu, pte_pfn(pte)):
            if pte & PTE_ACCESSED:
                set_pte(cpu, mm, page, pte & ~<uint64_t>PTE_ACCESSED)
            folio_deactivate(cpu, pte_pfn(pte))
        pte_unlock(cpu, mm, page)
    mmap_read_unlock(cpu, mm)


cdef void read_swap_cache(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg) noexcept nogil:
    """Begin to read a slot into the swap cache (kernel: read_swap_cache_async). Nobody may refer to it any more.

    Context: no spinlock held; pins the device itself; may sleep.
    """
    cdef bint fresh = False
    cdef uint32_t pfn
    if not p.pin_device(cpu, entry, PIN_READ):
        return
    pfn = read_slot(cpu, p, entry, memcg, False, &fresh)
    if pfn:
        folio_put(cpu, pfn)
    p.unpin_device(cpu, entry, PIN_READ)


cdef void madvise_willneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_WILLNEED of pages [first, end): each swap PTE is read under its lock, and its slot without it.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks; sleeps.
    """
    cdef uint32_t page
    cdef uint64_t pte
    count(cpu, EV_OPERATIONS)
    mmap_read_lock(cpu, mm)
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        pte = load64(pte_of(cpu, mm, page))
        pte_unlock(cpu, mm, page)
        if is_swap_pte(pte):
            read_swap_cache(cpu, p, pte_to_swp_entry(pte), load32(&cpu.m.mms[mm].memcg))
    mmap_read_unlock(cpu, mm)


cdef bint is_only_copy(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Make memory the only place of a page of one mm: out of the swap cache, and clean. False: it is in use.

    Context: page-table lock held; takes cluster lock; folio lock by trylock, and keeps it when True.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    if not folio_trylock(cpu, pfn):
        return False
    if not mapped_once(cpu, pfn) or (folio_test(folio, PG_SWAPCACHE) and not p.folio_free_swap(cpu, pfn)):
        folio_unlock(cpu, pfn)
        return False
    folio_clear(folio, PG_DIRTY)
    cpu.my.dropped_clean = 0  # its contents are given up, and reclaim makes it dirty again before it is given a slot
    return True


cdef void free_pte(Cpu cpu, Protocol p, uint32_t mm, uint32_t page) noexcept nogil:
    """One PTE of MADV_FREE. Context: page-table lock held; takes cluster lock, lruvec lock; folio lock by trylock."""
    cdef uint64_t pte = load64(pte_of(cpu, mm, page))
    cdef uint64_t *expected = &expected_of(&cpu.m, mm)[page]
    if is_swap_pte(pte):
        p.free_swap_and_cache(cpu, pte_to_swp_entry(pte))  # before the PTE is cleared, as in a zap
        set_pte(cpu, mm, page, 0)
        expected[0] = 0
    elif pte_present(pte) and not folio_test_large(cpu, page_folio(cpu, pte_pfn(pte))) and is_only_copy(cpu, p, pte_pfn(pte)):
        if pte & (PTE_ACCESSED | PTE_DIRTY):
            set_pte(cpu, mm, page, pte & ~<uint64_t>(PTE_ACCESSED | PTE_DIRTY))
        if folio_mark_lazyfree(cpu, pte_pfn(pte)):
            expected[0] = expect_freed(expected[0])
        folio_unlock(cpu, pte_pfn(pte))


cdef void madvise_free(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_FREE of pages [first, end): slots go at once, memory when reclaim comes, unless it is stored to before; a large
    folio that lies in the range as a whole is left alone.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks; sleeps.
    """
    cdef uint32_t page
    count(cpu, EV_OPERATIONS)
    mmap_read_lock(cpu, mm)
    split_ends(cpu, mm, first, end)
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        free_pte(cpu, p, mm, page)
        pte_unlock(cpu, mm, page)
    mmap_read_unlock(cpu, mm)
