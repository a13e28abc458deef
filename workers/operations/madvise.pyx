"""MADV_PAGEOUT reclaims pages of this mm alone at once; MADV_COLD makes them the next to go; MADV_WILLNEED reads what is
swapped out ahead of its use; MADV_DONTNEED drops pages, memory and slots; MADV_FREE lets reclaim drop them, unless they
are stored to before it comes."""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport load32, load64, load_i32
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, folio_t
from shm.layout cimport expected_of
from shm.mm cimport PTE_ACCESSED, PTE_DIRTY, expect_freed, is_poisoned_pte, is_swap_pte, pte_pfn, pte_present, pte_to_swp_entry
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_DONTNEEDS, EV_OPERATIONS, EV_PAGEOUTS
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.errno cimport ENOMEM
from workers.mm.filemap cimport folio_trylock, folio_unlock, mmap_read_lock, mmap_read_unlock
from workers.mm.huge_memory cimport lock_to_split, split_isolated
from workers.mm.page_alloc cimport (
    folio_clear, folio_of, folio_pages, folio_put, folio_test, folio_test_large, page_folio,
)
from workers.mm.rmap cimport pte_lock, pte_maps_folio, pte_of, pte_unlock, ptep_get, ptes_unlock, set_pte
from workers.mm.vma cimport vma_end, vma_lookup
from workers.mm.vmscan_lists cimport ISOLATE_BATCH, folio_deactivate, folio_isolate_lru, folio_mark_lazyfree
from workers.operations.fork_exit cimport zap_range
from workers.operations.readahead cimport read_slot
from workers.operations.reclaim cimport shrink_folio_list
from workers.mm.protocol cimport PIN_READ, Protocol


cdef struct advised:  # a walk over the VMAs of a range
    uint32_t mm
    uint32_t first  # of the VMA at hand, or of what of it lies in the range
    uint32_t end
    uint32_t last  # where the range ends
    int err


cdef inline advised madvise_begin(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """Advice for pages [first, end) begins. Context: mm_users held, no lock; takes mmap_lock for reading; sleeps."""
    cdef advised at
    count(cpu, EV_OPERATIONS)
    mmap_read_lock(cpu, mm)
    at.mm = mm
    at.first = at.end = first
    at.last = end
    at.err = 0
    return at


cdef inline bint madvise_next_vma(Cpu cpu, advised *at) noexcept nogil:
    """Go on to what the range has of its next VMA (kernel: madvise_walk_vmas); -ENOMEM is told of a gap, which is left out.
    False: there is none, and mmap_lock was given back. Context: mmap_lock held for reading."""
    at.first = at.end
    if at.first < at.last and not vma_lookup(cpu, at.mm, at.first):
        at.err = ENOMEM
        at.first = vma_end(cpu, at.mm, at.first, at.last)
    if at.first == at.last:
        mmap_read_unlock(cpu, at.mm)
        return False
    at.end = vma_end(cpu, at.mm, at.first, at.last)
    return True


cdef inline bint mapped_alone(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether no other mm maps a folio that is mapped as a whole by one. Context: page-table lock of its PTEs held."""
    point(cpu, &folio_of(cpu, pfn).mapcount, READS)
    return load_i32(&folio_of(cpu, pfn).mapcount) == <int32_t>folio_pages(cpu, pfn)


cdef uint32_t whole_folio(Cpu cpu, uint32_t mm, uint32_t page, uint32_t first, uint32_t end) noexcept nogil:
    """The folio that a PTE maps, if [first, end) has all of it and the mm maps all of it; PFN_NONE.

    Context: page-table lock held.
    """
    cdef uint64_t pte = load64(pte_of(cpu, mm, page))
    cdef uint32_t pfn, start, at
    if not pte_present(pte):
        return 0
    pfn = page_folio(cpu, pte_pfn(pte))
    start = page - (pte_pfn(pte) - pfn)
    if page - first < pte_pfn(pte) - pfn or start + folio_pages(cpu, pfn) > end:
        return 0
    for at in range(start, start + folio_pages(cpu, pfn)):
        if not pte_maps_folio(cpu, load64(pte_of(cpu, mm, at)), pfn):
            return 0
    return pfn


cdef uint32_t isolate_range(
    Cpu cpu, uint32_t mm, uint32_t first, uint32_t end, uint32_t low, uint32_t high, uint32_t *batch
) noexcept nogil:
    """Present folios with a page in [first, end) that no other mm maps and that [low, high) has all of, off their lists.

    Context: takes page-table locks.
    """
    cdef uint32_t page, pfn, n = 0
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        pfn = whole_folio(cpu, mm, page, low, high)
        if pfn and mapped_alone(cpu, pfn) and folio_isolate_lru(cpu, pfn):
            batch[n] = pfn
            n += 1
        pte_unlock(cpu, mm, page)
    return n


cdef void split_at(Cpu cpu, Protocol p, uint32_t mm, uint32_t page, uint32_t first, uint32_t end) noexcept nogil:
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
                load_i32(&folio_of(cpu, pfn).mapcount) == <int32_t>mapped):
            locked = lock_to_split(cpu, pfn)
    pte_unlock(cpu, mm, page)
    if locked:
        split_isolated(cpu, p, pfn)


cdef void split_ends(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """Large folios that a range has a part of are split, so that it has whole folios alone. Context: as split_at."""
    cdef uint32_t page
    if cpu.m.geo.anon_orders:
        for page in range(first, end):
            split_at(cpu, p, mm, page, first, end)


cdef uint32_t pageout_vma(Cpu cpu, Protocol p, advised *at) noexcept nogil:
    """How many pages left memory. Context: mmap_lock held for reading; takes folio locks; sleeps."""
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t n, stop, first = at.first, freed = 0
    split_ends(cpu, p, at.mm, first, at.end)
    while first < at.end:
        stop = min(first + ISOLATE_BATCH, at.end)
        n = isolate_range(cpu, at.mm, first, stop, at.first, at.end, batch)
        freed += shrink_folio_list(cpu, p, batch, n, True)
        first = stop
    return freed


cdef int madvise_pageout(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_PAGEOUT of pages [first, end). How many left memory, -ENOMEM. Context: mm_users held, no lock; sleeps."""
    cdef advised at = madvise_begin(cpu, mm, first, end)
    cdef int freed = 0
    count(cpu, EV_PAGEOUTS)
    while madvise_next_vma(cpu, &at):
        freed += pageout_vma(cpu, p, &at)
    return at.err if at.err else freed


cdef int madvise_dontneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_DONTNEED of pages [first, end). 0, -ENOMEM. Context: mm_users held, no lock; sleeps."""
    cdef advised at = madvise_begin(cpu, mm, first, end)
    count(cpu, EV_DONTNEEDS)
    while madvise_next_vma(cpu, &at):
        zap_range(cpu, p, mm, at.first, at.end)
    return at.err


cdef uint32_t cold_ptes(Cpu cpu, uint32_t mm, uint32_t page, uint32_t end) noexcept nogil:
    """One PTE of MADV_COLD, or all of a large folio that begins there. How many. Context: page-table lock held; takes lruvec
    lock."""
    cdef uint32_t pfn = whole_folio(cpu, mm, page, page, end), nr, at
    cdef uint64_t pte
    if pfn == 0:
        return 1
    nr = folio_pages(cpu, pfn)
    if mapped_alone(cpu, pfn):
        for at in range(page, page + nr):
            pte = load64(pte_of(cpu, mm, at))
            if pte & PTE_ACCESSED:
                set_pte(cpu, mm, at, pte & ~<uint64_t>PTE_ACCESSED)
        folio_deactivate(cpu, pfn)
    return nr


cdef int madvise_cold(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_COLD of pages [first, end): present ones that no other mm maps lose their marks of use. 0, -ENOMEM.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks, under them lruvec locks; sleeps.
    """
    cdef advised at = madvise_begin(cpu, mm, first, end)
    cdef uint32_t nr, page
    while madvise_next_vma(cpu, &at):
        split_ends(cpu, p, mm, at.first, at.end)
        page = at.first
        while page < at.end:
            pte_lock(cpu, mm, page)
            nr = cold_ptes(cpu, mm, page, at.end)
            ptes_unlock(cpu, mm, page, page + nr)
            page += nr
    return at.err


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


cdef int madvise_willneed(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_WILLNEED of pages [first, end): each swap PTE is read under its lock, and its slot without it. 0, -ENOMEM.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks; sleeps.
    """
    cdef advised at = madvise_begin(cpu, mm, first, end)
    cdef uint32_t page
    cdef uint64_t pte
    while madvise_next_vma(cpu, &at):
        for page in range(at.first, at.end):
            pte_lock(cpu, mm, page)
            pte = load64(pte_of(cpu, mm, page))
            pte_unlock(cpu, mm, page)
            if is_swap_pte(pte):
                read_swap_cache(cpu, p, pte_to_swp_entry(pte), load32(&cpu.m.mms[mm].memcg))
    return at.err


cdef bint is_only_copy(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Make memory the only place of a folio: out of the swap cache, and clean, which takes that no other mm maps it. What is
    so already may be mapped by others, whose PTEs are dirty then, where no swap-in bypasses the swap cache.

    False: it is in use. Context: page-table lock held; takes cluster lock; folio lock by trylock.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef bint alone
    point(cpu, &folio.flags, READS)
    if p.lazyfree_shared and not folio_test(folio, PG_SWAPCACHE | PG_DIRTY):
        return True
    if not folio_trylock(cpu, pfn):
        return False
    alone = mapped_alone(cpu, pfn) and (not folio_test(folio, PG_SWAPCACHE) or p.folio_free_swap(cpu, pfn))
    if alone:
        folio_clear(folio, PG_DIRTY)
        cpu.my.dropped_clean = 0  # its contents are given up, and reclaim makes it dirty again before it is given a slot
    folio_unlock(cpu, pfn)
    return alone


cdef void free_folio_ptes(Cpu cpu, uint32_t mm, uint32_t page, uint32_t pfn) noexcept nogil:
    """What is left of MADV_FREE for a folio whose PTEs begin at `page`: without a dirty one of another mm, reclaim may drop it
    from here on. Context: page-table lock held; takes lruvec lock."""
    cdef uint64_t *expected = expected_of(&cpu.m, mm)
    cdef uint64_t pte
    cdef uint32_t at
    for at in range(page, page + folio_pages(cpu, pfn)):
        pte = load64(pte_of(cpu, mm, at))
        if pte & (PTE_ACCESSED | PTE_DIRTY):
            set_pte(cpu, mm, at, pte & ~<uint64_t>(PTE_ACCESSED | PTE_DIRTY))
        expected[at] = expect_freed(expected[at])
    folio_mark_lazyfree(cpu, pfn)


cdef uint32_t free_ptes(Cpu cpu, Protocol p, uint32_t mm, uint32_t page, uint32_t end) noexcept nogil:
    """One PTE of MADV_FREE, or all of a large folio that begins there. How many.

    Context: page-table lock held; takes cluster lock, lruvec lock; folio lock by trylock.
    """
    cdef uint64_t pte = load64(pte_of(cpu, mm, page))
    cdef uint32_t pfn = whole_folio(cpu, mm, page, page, end), nr = 1
    if is_swap_pte(pte) or is_poisoned_pte(pte):
        if is_swap_pte(pte):
            p.free_swap_and_cache(cpu, pte_to_swp_entry(pte))  # before the PTE is cleared, as in a zap
        set_pte(cpu, mm, page, 0)
        expected_of(&cpu.m, mm)[page] = 0
    if pfn:
        nr = folio_pages(cpu, pfn)
        if is_only_copy(cpu, p, pfn):
            free_folio_ptes(cpu, mm, page, pfn)
    return nr


cdef int madvise_free(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_FREE of pages [first, end): slots go at once, memory when reclaim comes, unless it is stored to before. 0,
    -ENOMEM.

    Context: mm_users held, no lock; takes mmap_lock, page-table locks; sleeps.
    """
    cdef advised at = madvise_begin(cpu, mm, first, end)
    cdef uint32_t nr, page
    while madvise_next_vma(cpu, &at):
        split_ends(cpu, p, mm, at.first, at.end)
        page = at.first
        while page < at.end:
            pte_lock(cpu, mm, page)
            nr = free_ptes(cpu, p, mm, page, at.end)
            ptes_unlock(cpu, mm, page, page + nr)
            page += nr
    return at.err
