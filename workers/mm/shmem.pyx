"""A folio is in the page cache, in the swap cache, or on its way between them under its lock; its word in the mapping says
where the page is to be looked for.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from shm.atomic cimport add_i32, load32, load64, load_i32, store32, store64
from shm.folio cimport PG_DIRTY, folio_t
from shm.layout cimport has_large_folios, shmem_expected_of
from shm.shmem cimport (
    MAPPING_NONE, folio_to_word, inode_t, nth_entry, radix_order, radix_value, radix_with_order, swp_to_radix_entry,
    word_is_folio, word_is_swap, word_to_pfn,
)
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SWAPCACHE_EEXIST, EV_SWPOUT_LARGE, EV_THP_SWPOUT_FALLBACK
from workers.cpu cimport WRITES, count
from workers.mm.errno cimport EEXIST
from workers.mm.filemap cimport folio_unlock
from workers.mm.huge_memory cimport split_folio
from workers.mm.memory cimport (
    alloc_charged_folio, alloc_large_charged_folio, none_in_cache, put_locked_folio, read_bypass,
)
from workers.mm.page_alloc cimport (
    folio_clear, folio_get_refs, folio_of, folio_pages, folio_put, folio_put_refs, folio_set, folio_test_large, folio_try_get,
)
from workers.mm.page_io cimport AOP_WRITEPAGE_ACTIVATE, swap_writeout
from workers.mm.protocol cimport SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_REFAULT
from workers.mm.swapfile cimport claim_begins, swap_free_nr, swapcache_prepare

cdef enum:
    MAPPING_TRUNCATED = MAPPING_NONE - 1  # folio->mapping for a moment: nobody reads the slot that it has


cdef uint32_t filemap_get_entry(Cpu cpu, uint32_t inode, uint32_t page, uint64_t *word) noexcept nogil:
    """What the mapping holds, in `word`, and the folio in it with a reference; PFN_NONE: none.

    Whoever uses the folio locks it and asks whether it is still the mapping's. Context: takes i_pages where a split may have
    frozen the folio, else no lock.
    """
    while True:
        word[0] = mapping_word(cpu, inode, page)
        if not word_is_folio(word[0]):
            return 0
        if folio_try_get(cpu, word_to_pfn(word[0])):
            if mapping_word(cpu, inode, page) == word[0]:
                return word_to_pfn(word[0])
            folio_put(cpu, word_to_pfn(word[0]))
        elif has_large_folios(&cpu.m):
            cpu.lock(&cpu.m.inodes[inode].i_pages)
            cpu.unlock(&cpu.m.inodes[inode].i_pages)


cdef bint range_holds(Cpu cpu, uint32_t inode, uint32_t page, uint32_t nr, uint64_t expected) noexcept nogil:
    """Whether the pages are holes (`expected` is 0) or lie in slots in a row from that of `expected` on, in entries that do not
    go on beyond them. Context: i_pages of the mapping held."""
    cdef uint64_t *words = &mapping_of(&cpu.m, inode)[page]
    cdef uint32_t i
    for i in range(nr):
        if radix_value(load64(&words[i])) != nth_entry(expected, i) or <uint32_t>1 << radix_order(load64(&words[i])) > nr:
            return False
    return True


cdef void shmem_store(Cpu cpu, uint32_t inode, uint32_t page, uint32_t nr, uint64_t word) noexcept nogil:
    """The words of so many pages: a folio, the entry of the first one's slot and those after it, poison, or a hole.

    Context: i_pages of the mapping held.
    """
    cdef uint64_t *words = &mapping_of(&cpu.m, inode)[page]
    cdef uint32_t i
    for i in range(nr):
        point(cpu, &words[i], WRITES)
        store64(&words[i], nth_entry(word, i) if word_is_swap(word) else word)


cdef int shmem_split_large_entry(Cpu cpu, uint32_t inode, uint32_t page, swp_entry_t entry) noexcept nogil:
    """The entry that the page lies in becomes one for each of its pages. 0 (it may be one already), -EEXIST: it is there no more.

    Context: takes i_pages.
    """
    cdef uint64_t word
    cdef uint32_t i, nr, first
    cdef int err = EEXIST
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    word = load64(&mapping_of(&cpu.m, inode)[page])
    if radix_value(word) == swp_to_radix_entry(entry):
        err = 0
        nr = <uint32_t>1 << radix_order(word)
        first = page & ~(nr - 1)
        if nr > 1:
            shmem_store(cpu, inode, first, nr, swp_to_radix_entry(entry - (page - first)))
    cpu.unlock(&cpu.m.inodes[inode].i_pages)
    return err


cdef int shmem_add_to_page_cache(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page, uint64_t expected) noexcept nogil:
    """The folio takes the place of holes or of its slots' entries, from `page` on. 0, or -EEXIST: something else is there.

    Context: folio locked, a reference held; takes i_pages.
    """
    cdef inode_t *info = &cpu.m.inodes[inode]
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint32_t nr = folio_pages(cpu, pfn)
    cdef bint added
    folio_get_refs(cpu, pfn, nr)
    store32(&folio.mapping, inode + 1)
    store32(&folio.index, page)
    cpu.lock(&info.i_pages)
    added = range_holds(cpu, inode, page, nr, expected)
    if added:
        shmem_store(cpu, inode, page, nr, folio_to_word(pfn))
        info.nrpages += nr
    cpu.unlock(&info.i_pages)
    if added:
        return 0
    store32(&folio.mapping, MAPPING_NONE)
    folio_put_refs(cpu, pfn, nr)
    return EEXIST


cdef void shmem_delete_from_page_cache(Cpu cpu, uint32_t pfn, uint64_t word) noexcept nogil:
    """The entry of its slots, as that of the first one (`word`), or holes with nothing to be remembered take the folio's place.

    Context: folio locked, in the page cache, a reference of the caller beside that one's; takes i_pages.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint32_t inode = load32(&folio.mapping) - 1, page = load32(&folio.index), nr = folio_pages(cpu, pfn)
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    shmem_store(cpu, inode, page, nr, radix_with_order(word, folio.order) if word else 0)
    if word == 0:
        memset(&shmem_expected_of(&cpu.m, inode)[page], 0, nr * sizeof(uint64_t))
    store32(&folio.mapping, MAPPING_NONE)
    cpu.m.inodes[inode].nrpages -= nr
    cpu.unlock(&cpu.m.inodes[inode].i_pages)
    folio_put_refs(cpu, pfn, nr)


cdef void shmem_recalc_inode(Cpu cpu, uint32_t inode, int32_t swapped) noexcept nogil:
    """So many more pages are swapped out; with the first ones the inode is one that swapoff must visit.

    Context: no lock needed; takes swaplist_lock.
    """
    cdef inode_t *info = &cpu.m.inodes[inode]
    point(cpu, &info.swapped, WRITES)
    if add_i32(&info.swapped, swapped) != swapped or swapped < 0:
        return
    cpu.lock(cpu.m.swaplist_lock)
    info.on_swaplist = 1
    cpu.unlock(cpu.m.swaplist_lock)


cdef bint shmem_must_visit(Cpu cpu, uint32_t inode) noexcept nogil:
    """Whether swapoff looks at the inode; one without swapped pages leaves the list. Context: takes swaplist_lock."""
    cdef inode_t *info = &cpu.m.inodes[inode]
    cdef bint visit
    cpu.lock(cpu.m.swaplist_lock)
    point(cpu, &info.swapped, READS)
    if load_i32(&info.swapped) == 0:
        info.on_swaplist = 0
    visit = info.on_swaplist != 0
    cpu.unlock(cpu.m.swaplist_lock)
    return visit


cdef uint32_t shmem_alloc_large_folio(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """A folio for all slots of a large entry, locked and charged; PFN_NONE. zswap loads single pages alone.

    Context: the device is pinned; may sleep.
    """
    cdef uint32_t nr = <uint32_t>1 << vmf.order
    cdef swp_entry_t first = vmf.entry & ~<uint64_t>(nr - 1)
    if nr == 1 or cpu.m.geo.zswap_pages or not none_in_cache(cpu, first, nr):
        return 0
    return alloc_large_charged_folio(cpu, vmf.order, vmf.memcg, first)


cdef int shmem_swap_alloc_folio(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """The bypass of the swap cache (6.14 to 6.19): a folio is charged, then its slots claimed, and read; a single page where that
    fails. SWAPIN_REFAULT: somebody else has the slot; nobody sleeps, the caller asks again.

    Context: the device is pinned; may sleep.
    """
    cdef uint32_t own = shmem_alloc_large_folio(cpu, vmf)
    if own and claim_and_read(cpu, vmf, own):
        return SWAPIN_FOLIO
    own = alloc_charged_folio(cpu, vmf.memcg, vmf.entry)
    if not own:
        return SWAPIN_OOM
    return SWAPIN_FOLIO if claim_and_read(cpu, vmf, own) else SWAPIN_REFAULT


cdef bint claim_and_read(Cpu cpu, vm_fault *vmf, uint32_t own) noexcept nogil:
    """Read the folio's slots behind the swap cache's back. False: somebody has claimed one, and the folio is let go.

    Context: folio locked, the device pinned; may sleep.
    """
    cdef uint32_t nr = folio_pages(cpu, own)
    cdef swp_entry_t first = vmf.entry & ~<uint64_t>(nr - 1)
    if swapcache_prepare(cpu, first, nr) < 0:
        count(cpu, EV_SWAPCACHE_EEXIST)
        cpu.my.refused_entry = 0
        put_locked_folio(cpu, own)
        return False
    vmf.claimed = True
    vmf.claim = first
    vmf.claim_nr = nr
    claim_begins(cpu, first, nr)  # W_byp: until the mapping has the folio
    store32(&folio_of(cpu, own).mapping, MAPPING_NONE)
    read_bypass(cpu, vmf, own, first)
    return True


cdef int back_to_page_cache(Cpu cpu, Protocol p, uint32_t pfn, uint32_t inode, uint32_t page) noexcept nogil:
    """The write was refused: the page cache has the folio again, unless its page was truncated. AOP_WRITEPAGE_ACTIVATE.

    Context: folio locked and in the swap cache; takes i_pages, cluster lock.
    """
    cdef swp_entry_t entry = load64(&folio_of(cpu, pfn).swap)
    cdef uint32_t nr = folio_pages(cpu, pfn)
    if shmem_add_to_page_cache(cpu, pfn, inode, page, swp_to_radix_entry(entry)) == 0:
        shmem_recalc_inode(cpu, inode, -<int32_t>nr)
        swap_free_nr(cpu, p, entry, nr)
        p.swap_cache_del_folio(cpu, pfn)
    else:  # whoever truncated it gives the reference back
        store32(&folio_of(cpu, pfn).mapping, MAPPING_TRUNCATED)
        p.swap_cache_del_folio(cpu, pfn)
        store32(&folio_of(cpu, pfn).mapping, MAPPING_NONE)
    folio_set(folio_of(cpu, pfn), PG_DIRTY)
    return AOP_WRITEPAGE_ACTIVATE


cdef bint alloc_slots(Cpu cpu, Protocol p, uint32_t pfn, bint *split) noexcept nogil:
    """Slots for a folio of the page cache; one that finds no room as a whole is split, and its first page has one. False: none.

    Context: folio locked and isolated, in the page cache; takes cluster locks, i_pages; may sleep.
    """
    if p.folio_alloc_swap(cpu, pfn) == 0:
        if folio_test_large(cpu, pfn):
            count(cpu, EV_SWPOUT_LARGE)
        return True
    folio_set(folio_of(cpu, pfn), PG_DIRTY)
    if not folio_test_large(cpu, pfn) or split_folio(cpu, p, pfn) < 0:
        return False
    split[0] = True
    count(cpu, EV_THP_SWPOUT_FALLBACK)
    if p.folio_alloc_swap(cpu, pfn) < 0:
        return False
    folio_clear(folio_of(cpu, pfn), PG_DIRTY)
    return True


cdef int shmem_writeout(Cpu cpu, Protocol p, uint32_t pfn, bint *split) noexcept nogil:
    """Move a folio from the page cache to swap, and write it. As swap_writeout, which see; AOP_WRITEPAGE_ACTIVATE: there is
    no slot, or the write was refused; the folio is dirty, locked and in the page cache. `split`: it is one of more pages, which
    are isolated now each for itself.

    Context: folio locked and isolated, its clean flag cleared by us, in the page cache; takes cluster locks, swaplist_lock,
    i_pages; the folio lock is given up unless AOP_WRITEPAGE_ACTIVATE.
    """
    cdef uint32_t inode = load32(&folio_of(cpu, pfn).mapping) - 1, page = load32(&folio_of(cpu, pfn).index)
    cdef int result
    if not alloc_slots(cpu, p, pfn, split):
        return AOP_WRITEPAGE_ACTIVATE
    shmem_recalc_inode(cpu, inode, <int32_t>folio_pages(cpu, pfn))
    p.shmem_leave_page_cache(cpu, pfn)
    if p.folio_free_swap(cpu, pfn):  # truncated meanwhile
        folio_unlock(cpu, pfn)
        return 0
    result = swap_writeout(cpu, pfn)
    return back_to_page_cache(cpu, p, pfn, inode, page) if result == AOP_WRITEPAGE_ACTIVATE else result
