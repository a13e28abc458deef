"""ftruncate(2) of files that live in memory and in swap (kernel: mm/shmem.c, shmem_undo_range).

A large folio, or a large entry, of which the hole has a part alone is split: an entry by bringing it back first, for its slots
may have one folio in the swap cache.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from shm.atomic cimport load64
from shm.folio cimport PG_DIRTY
from shm.layout cimport mapping_of, payload_of, shmem_expected_of
from shm.shmem cimport radix_order, radix_to_swp_entry, radix_value, word_is_swap
from shm.vmstat cimport EV_OPERATIONS, WAIT_FOLIO_LOCK
from workers.cpu cimport count
from workers.mm.content cimport content_clear
from workers.mm.errno cimport EIO
from workers.mm.filemap cimport folio_lock
from workers.mm.huge_memory cimport split_isolated
from workers.mm.memory cimport put_locked_folio
from workers.mm.page_alloc cimport folio_clear, folio_of, folio_pages, folio_put, folio_set
from workers.mm.shmem cimport filemap_get_entry, shmem_delete_from_page_cache, shmem_recalc_inode, shmem_store
from workers.mm.vmscan_lists cimport folio_isolate_lru
from workers.operations.shmem cimport in_page_cache, page_in_folio, shmem_get_folio

cdef struct hole_t:  # what a truncation makes of pages [first, end)
    uint32_t inode
    uint32_t first
    uint32_t end


cdef bint within(uint32_t page, uint32_t nr, hole_t *hole) noexcept nogil:
    """Whether the aligned range of `nr` pages around the page lies in the hole as a whole."""
    cdef uint32_t base = page & ~(nr - 1)
    return base >= hole.first and base + nr <= hole.end


cdef uint32_t rest_of(uint32_t page, uint32_t nr, hole_t *hole) noexcept nogil:
    """Pages from `page` on that are both of that range and of the hole."""
    cdef uint32_t end = (page & ~(nr - 1)) + nr
    return (end if end < hole.end else hole.end) - page


cdef uint32_t shmem_free_swap(Cpu cpu, Protocol p, hole_t *hole, uint32_t page, uint64_t seen) noexcept nogil:
    """Drop an entry that lies in swap, or a page that is lost, if it is still as seen. How many pages of the hole are done, from
    `page` on; 0: it is to be looked at again. Context: takes i_pages, then cluster lock."""
    cdef uint32_t inode = hole.inode, i, nr, base, freed = 0
    cdef uint64_t word
    cdef bint erased
    cpu.lock(&cpu.m.inodes[inode].i_pages)
    word = load64(&mapping_of(&cpu.m, inode)[page])
    nr = <uint32_t>1 << radix_order(word)
    base = page & ~(nr - 1)
    erased = radix_value(word) == radix_value(seen) and within(page, nr, hole)
    if erased:
        freed = <uint32_t>1 << p.shmem_freed_order(cpu, seen, word)
        shmem_store(cpu, inode, base, nr, 0)
        memset(&shmem_expected_of(&cpu.m, inode)[base], 0, nr * sizeof(uint64_t))
    cpu.unlock(&cpu.m.inodes[inode].i_pages)
    if not erased:
        return 0
    if word_is_swap(word):
        for i in range(freed):
            p.free_swap_and_cache(cpu, radix_to_swp_entry(word) - (page - base) + i)
        shmem_recalc_inode(cpu, inode, -<int32_t>freed)
    return rest_of(page, nr, hole)


cdef uint32_t truncate_inode_partial_folio(Cpu cpu, Protocol p, uint32_t pfn, hole_t *hole, uint32_t page) noexcept nogil:
    """Zero what the hole has of a folio, and split it, so that its pages may go; one that somebody else uses keeps the zeroes.
    As truncate_inode_folio. Context: as there, the folio locked; takes lruvec lock, i_pages."""
    cdef uint32_t nr = folio_pages(cpu, pfn), at
    for at in range(page, page + rest_of(page, nr, hole)):
        content_clear(payload_of(&cpu.m, page_in_folio(cpu, pfn, at)), cpu.m.geo.payload_bytes)
        shmem_expected_of(&cpu.m, hole.inode)[at] = 0
    folio_set(folio_of(cpu, pfn), PG_DIRTY)
    if not folio_isolate_lru(cpu, pfn):
        put_locked_folio(cpu, pfn)
        return rest_of(page, nr, hole)
    folio_put(cpu, pfn)
    return 0 if split_isolated(cpu, p, pfn) == 0 else rest_of(page, nr, hole)


cdef uint32_t truncate_inode_folio(Cpu cpu, Protocol p, uint32_t pfn, hole_t *hole, uint32_t page) noexcept nogil:
    """Drop a folio of the page cache, or the part of it that the hole has. How many pages of the hole are done, from `page` on;
    0: it is to be looked at again. Context: folio locked, a reference held; both are given back."""
    cdef uint32_t nr = folio_pages(cpu, pfn), done = 0
    if in_page_cache(cpu, pfn, hole.inode, page):
        if not within(page, nr, hole):
            return truncate_inode_partial_folio(cpu, p, pfn, hole, page)
        folio_clear(folio_of(cpu, pfn), PG_DIRTY)
        cpu.my.dropped_clean = 0  # just brought back, and its contents are given up
        shmem_delete_from_page_cache(cpu, pfn, 0)
        done = rest_of(page, nr, hole)
    put_locked_folio(cpu, pfn)
    return done


cdef uint32_t truncate_entry(Cpu cpu, Protocol p, hole_t *hole, uint32_t page, uint64_t word) noexcept nogil:
    """Drop what is no folio. One of which the hole has a part alone is brought back first (kernel: shmem_get_partial_folio);
    where there is no memory for that it stays. As truncate_inode_folio. Context: no lock held; sleeps."""
    cdef uint32_t pfn, nr = <uint32_t>1 << radix_order(word)
    cdef int err
    if within(page, nr, hole):
        return shmem_free_swap(cpu, p, hole, page, word)
    err = shmem_get_folio(cpu, p, hole.inode, page, False, &pfn)
    if err < 0:
        return 0 if err == EIO else rest_of(page, nr, hole)
    return truncate_inode_folio(cpu, p, pfn, hole, page) if pfn else 0


cdef void shmem_truncate(Cpu cpu, Protocol p, uint32_t inode, uint32_t first, uint32_t end) noexcept nogil:
    """Make a hole of pages [first, end), wherever they are. Context: no lock held; sleeps."""
    cdef uint32_t page = first, pfn
    cdef uint64_t word
    cdef hole_t hole
    hole.inode = inode
    hole.first = first
    hole.end = end
    count(cpu, EV_OPERATIONS)
    while page < end:
        pfn = filemap_get_entry(cpu, inode, page, &word)
        if pfn:
            folio_lock(cpu, pfn, WAIT_FOLIO_LOCK)
            page += truncate_inode_folio(cpu, p, pfn, &hole, page)
        else:
            page += truncate_entry(cpu, p, &hole, page, word) if word else 1
