"""A folio is in the page cache, in the swap cache, or on its way between them under its lock; its word in the mapping says
where the page is to be looked for.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

from shm.atomic cimport add_i32, load32, load64, load_i32, store32, store64
from shm.folio cimport PG_DIRTY, folio_t
from shm.layout cimport shmem_expected_of
from shm.shmem cimport MAPPING_NONE, folio_to_word, inode_t, swp_to_radix_entry, word_is_folio, word_to_pfn
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_SWAPCACHE_EEXIST
from workers.cpu cimport WRITES, count
from workers.mm.errno cimport EEXIST
from workers.mm.filemap cimport folio_unlock
from workers.mm.memory cimport alloc_charged_folio, put_locked_folio, read_bypass
from workers.mm.page_alloc cimport folio_get, folio_of, folio_put, folio_set, folio_try_get
from workers.mm.page_io cimport AOP_WRITEPAGE_ACTIVATE, swap_writeout
from workers.mm.protocol cimport SWAPIN_FOLIO, SWAPIN_OOM, SWAPIN_REFAULT
from workers.mm.swapfile cimport claim_begins, swap_free, swapcache_prepare

cdef enum:
    MAPPING_TRUNCATED = MAPPING_NONE - 1  # folio->mapping for a moment: nobody reads the slot that it has


cdef uint32_t filemap_get_entry(Cpu cpu, uint32_t inode, uint32_t page, uint64_t *word) noexcept nogil:
    """What the mapping holds, in `word`, and the folio in it with a reference; PFN_NONE: none.

    Whoever uses the folio locks it and asks whether it is still the mapping's. Context: no lock needed.
    """
    while True:
        word[0] = mapping_word(cpu, inode, page)
        if not word_is_folio(word[0]):
            return 0
        if folio_try_get(cpu, word_to_pfn(word[0])):
            if mapping_word(cpu, inode, page) == word[0]:
                return word_to_pfn(word[0])
            folio_put(cpu, word_to_pfn(word[0]))


cdef bint shmem_replace_entry(Cpu cpu, uint32_t inode, uint32_t page, uint64_t expected, uint64_t word) noexcept nogil:
    """Exchange a word that is as expected. False: it is another one. Context: i_pages of the mapping held."""
    if load64(&mapping_of(&cpu.m, inode)[page]) != expected:
        return False
    point(cpu, &mapping_of(&cpu.m, inode)[page], WRITES)
    store64(&mapping_of(&cpu.m, inode)[page], word)
    return True


cdef int shmem_add_to_page_cache(Cpu cpu, uint32_t pfn, uint32_t inode, uint32_t page, uint64_t expected) noexcept nogil:
    """The folio takes the place of a hole or of its swap entry. 0, or -EEXIST: something else is there.

    Context: folio locked, a reference held; takes i_pages.
    """
    cdef inode_t *info = &cpu.m.inodes[inode]
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef bint added
    folio_get(cpu, pfn)
    store32(&folio.mapping, inode + 1)
    store32(&folio.index, page)
    cpu.lock(&info.i_pages)
    added = shmem_replace_entry(cpu, inode, page, expected, folio_to_word(pfn))
    if added:
        info.nrpages += 1
    cpu.unlock(&info.i_pages)
    if added:
        return 0
    store32(&folio.mapping, MAPPING_NONE)
    folio_put(cpu, pfn)
    return EEXIST


cdef void shmem_delete_from_page_cache(Cpu cpu, uint32_t pfn, uint64_t word) noexcept nogil:
    """A swap entry, or a hole with nothing to be remembered, takes the place of the folio.

    Context: folio locked, in the page cache, a reference of the caller beside that one's; takes i_pages.
    """
    cdef folio_t *folio = folio_of(cpu, pfn)
    cdef uint32_t inode = load32(&folio.mapping) - 1, page = load32(&folio.index)
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    shmem_replace_entry(cpu, inode, page, folio_to_word(pfn), word)
    if word == 0:
        shmem_expected_of(&cpu.m, inode)[page] = 0
    store32(&folio.mapping, MAPPING_NONE)
    cpu.m.inodes[inode].nrpages -= 1
    cpu.unlock(&cpu.m.inodes[inode].i_pages)
    folio_put(cpu, pfn)


cdef void shmem_recalc_inode(Cpu cpu, uint32_t inode, int32_t swapped) noexcept nogil:
    """So many more pages are swapped out; with the first one the inode is one that swapoff must visit.

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


cdef int shmem_swap_alloc_folio(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """The bypass of the swap cache (6.14 to 6.19): a folio is charged, then the slot claimed, and read. SWAPIN_REFAULT: somebody
    else has it; nobody sleeps, the caller asks again.

    Context: the device is pinned; may sleep.
    """
    cdef uint32_t own = alloc_charged_folio(cpu, vmf.memcg, vmf.entry)
    if not own:
        return SWAPIN_OOM
    if swapcache_prepare(cpu, vmf.entry, 1) < 0:
        count(cpu, EV_SWAPCACHE_EEXIST)
        cpu.my.refused_entry = 0
        put_locked_folio(cpu, own)
        return SWAPIN_REFAULT
    vmf.claimed = True
    vmf.claim = vmf.entry
    vmf.claim_nr = 1
    claim_begins(cpu, vmf.entry, 1)  # W_byp: until the mapping has the folio
    store32(&folio_of(cpu, own).mapping, MAPPING_NONE)
    read_bypass(cpu, vmf, own, vmf.entry)
    return SWAPIN_FOLIO


cdef int back_to_page_cache(Cpu cpu, Protocol p, uint32_t pfn, uint32_t inode, uint32_t page) noexcept nogil:
    """The write was refused: the page cache has the folio again, unless its page was truncated. AOP_WRITEPAGE_ACTIVATE.

    Context: folio locked and in the swap cache; takes i_pages, cluster lock.
    """
    cdef swp_entry_t entry = load64(&folio_of(cpu, pfn).swap)
    if shmem_add_to_page_cache(cpu, pfn, inode, page, swp_to_radix_entry(entry)) == 0:
        shmem_recalc_inode(cpu, inode, -1)
        swap_free(cpu, p, entry)
        p.swap_cache_del_folio(cpu, pfn)
    else:  # whoever truncated it gives the reference back
        store32(&folio_of(cpu, pfn).mapping, MAPPING_TRUNCATED)
        p.swap_cache_del_folio(cpu, pfn)
        store32(&folio_of(cpu, pfn).mapping, MAPPING_NONE)
    folio_set(folio_of(cpu, pfn), PG_DIRTY)
    return AOP_WRITEPAGE_ACTIVATE


cdef int shmem_writeout(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil:
    """Move a folio from the page cache to swap, and write it. As swap_writeout, which see; AOP_WRITEPAGE_ACTIVATE: there is
    no slot, or the write was refused; the folio is dirty, locked and in the page cache.

    Context: folio locked, its clean flag cleared by us, in the page cache; takes cluster locks, swaplist_lock, i_pages; the
    folio lock is given up unless AOP_WRITEPAGE_ACTIVATE.
    """
    cdef uint32_t inode = load32(&folio_of(cpu, pfn).mapping) - 1, page = load32(&folio_of(cpu, pfn).index)
    cdef int result
    if p.folio_alloc_swap(cpu, pfn) < 0:
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
        return AOP_WRITEPAGE_ACTIVATE
    shmem_recalc_inode(cpu, inode, 1)
    p.shmem_leave_page_cache(cpu, pfn)
    if p.folio_free_swap(cpu, pfn):  # truncated meanwhile
        folio_unlock(cpu, pfn)
        return 0
    result = swap_writeout(cpu, pfn)
    return back_to_page_cache(cpu, p, pfn, inode, page) if result == AOP_WRITEPAGE_ACTIVATE else result
