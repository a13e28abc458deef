"""Read along what is likely to be wanted next; the window follows the hits of the last one.

VMA readahead takes the pages around the one that is wanted, wherever they lie in swap; cluster readahead the slots around
its slot, whoever has them. The first is for faults while no device in use rotates, the second for all else.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add32, load32, load64, store32, store64, xchg32
from shm.folio cimport PG_READAHEAD
from shm.mm cimport PTES_PER_PTL, is_swap_pte, pte_to_swp_entry
from shm.swapfile cimport swap_info_struct
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport EV_SWAP_RA, EV_SWAP_RA_HIT
from workers.cpu cimport READS, WRITES, Cpu, count, point
from workers.mm.page_alloc cimport folio_of, folio_put, folio_set, folio_test_clear
from workers.mm.page_io cimport swap_read_folio
from workers.mm.protocol cimport PIN_READAHEAD, Protocol, vm_fault
from workers.mm.rmap cimport ptep_get
from workers.mm.swapfile cimport si_of
from workers.mm.vma cimport vma_end, vma_start

cdef enum:  # of mm->swap_readahead_info: page << 12 | window << 6 | hits
    RA_PAGE_SHIFT = 12
    RA_WIN_SHIFT = 6
    RA_MASK = 63

cdef struct window_t:
    uint64_t first
    uint64_t end


cdef uint32_t swapin_nr_pages(uint64_t prev, uint64_t offset, uint32_t hits, uint32_t most, uint32_t last) noexcept nogil:
    """Pages to read, a power of two (kernel: __swapin_nr_pages): two more than were hit, not below half of the last window.

    Without a hit one alone, unless the last one wanted was a neighbour. Context: none.
    """
    cdef uint32_t pages = hits + 2, size = 4
    if pages == 2:
        if offset != prev + 1 and offset + 1 != prev:
            pages = 1
    else:
        while size < pages:
            size <<= 1
        pages = size
    if pages > most:
        pages = most
    return pages if pages >= last // 2 else last // 2


cdef uint32_t cluster_window(Cpu cpu, swap_info_struct *si, uint32_t offset) noexcept nogil:
    """Slots to read. Context: none; the counts are guesses."""
    cdef uint32_t most = cpu.m.control.readahead_pages, pages
    if most <= 1:
        return 1
    point(cpu, &si.readahead_hits, READS | WRITES)
    pages = swapin_nr_pages(xchg32(&si.readahead_prev, offset), offset, xchg32(&si.readahead_hits, 0), most,
                            load32(&si.readahead_window))
    store32(&si.readahead_window, pages)
    return pages


cdef window_t vma_window(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """Pages to read, of the same VMA and in the same page table; ahead of a walk, behind a walk backwards, else around the one that is wanted.

    Context: mmap_lock held for reading; the counts are guesses (kernel: swap_vma_ra_win).
    """
    cdef uint64_t *info = &cpu.m.mms[vmf.mm].swap_readahead_info
    cdef uint64_t page = vmf.page, seen, last, floor, ceiling, left
    cdef uint32_t win
    cdef window_t w
    w.first = page
    w.end = page + 1
    if cpu.m.control.readahead_pages <= 1:
        return w
    point(cpu, info, READS | WRITES)
    seen = load64(info)
    last = seen >> RA_PAGE_SHIFT
    win = swapin_nr_pages(last, page, seen & RA_MASK, cpu.m.control.readahead_pages, seen >> RA_WIN_SHIFT & RA_MASK)
    store64(info, page << RA_PAGE_SHIFT | <uint64_t>win << RA_WIN_SHIFT)
    floor = page - page % PTES_PER_PTL
    ceiling = min(floor + PTES_PER_PTL, cpu.m.geo.pages)
    left = 0 if page == last + 1 else win - 1 if last == page + 1 else (win - 1) // 2
    w.first = page - left if page >= floor + left else floor
    w.end = page - left + win if page - left + win < ceiling else ceiling
    w.first = vma_start(cpu, vmf.mm, <uint32_t>page, <uint32_t>w.first)
    w.end = vma_end(cpu, vmf.mm, <uint32_t>page, <uint32_t>w.end)
    return w


cdef void readahead_hit(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Somebody without a VMA found its folio in the cache. Context: a reference held."""
    if folio_test_clear(folio_of(cpu, pfn), PG_READAHEAD):
        count(cpu, EV_SWAP_RA_HIT)
        point(cpu, &si_of(cpu, entry).readahead_hits, WRITES)
        add32(&si_of(cpu, entry).readahead_hits, 1)


cdef void swap_update_readahead(Cpu cpu, vm_fault *vmf) noexcept nogil:
    """A fault found its folio in the cache. Context: a reference held, mmap_lock held for reading."""
    cdef uint64_t *info = &cpu.m.mms[vmf.mm].swap_readahead_info
    cdef uint64_t seen, hits
    if load32(&cpu.m.control.nr_rotate_swap) != 0:
        readahead_hit(cpu, vmf.folio, vmf.entry)
        return
    if cpu.m.control.readahead_pages <= 1:
        return
    point(cpu, info, READS | WRITES)
    seen = load64(info)
    hits = seen & RA_MASK
    if folio_test_clear(folio_of(cpu, vmf.folio), PG_READAHEAD):
        count(cpu, EV_SWAP_RA_HIT)
        hits += hits < RA_MASK
    store64(info, <uint64_t>vmf.page << RA_PAGE_SHIFT | (seen & RA_MASK << RA_WIN_SHIFT) | hits)


cdef uint32_t read_slot(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint ahead, bint *fresh) noexcept nogil:
    """The cache folio of one slot, its read begun if it is new. Context: the device is pinned; may sleep."""
    cdef uint32_t pfn = p.swap_cache_alloc_folio(cpu, entry, memcg, fresh, False)
    if pfn and fresh[0]:
        if ahead:
            folio_set(folio_of(cpu, pfn), PG_READAHEAD)
            count(cpu, EV_SWAP_RA)
        swap_read_folio(cpu, pfn)
    return pfn


cdef uint32_t swap_cluster_readahead(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil:
    """The cache folio of `entry` with a reference, the slots of its aligned block read along; PFN_NONE: gone or no memory.

    Neighbours may be nobody's, bad, freed, somebody else's: each is checked under the cluster lock by the protocol.
    Context: the device is pinned; no spinlock held; may sleep.
    """
    cdef swap_info_struct *si = si_of(cpu, entry)
    cdef uint64_t offset = swp_offset(entry), at
    cdef uint32_t window = cluster_window(cpu, si, <uint32_t>offset), pfn
    cdef uint64_t first = offset & ~<uint64_t>(window - 1)
    cdef bint ahead = False
    if window > 1:
        for at in range(first if first else 1, first + window):
            if at >= si.max or at == offset:
                continue
            pfn = read_slot(cpu, p, swp_entry(swp_type(entry), at), memcg, True, &ahead)
            if pfn:
                folio_put(cpu, pfn)
    return read_slot(cpu, p, entry, memcg, False, fresh)


cdef void read_ahead_of_vma(Cpu cpu, Protocol p, vm_fault *vmf, uint32_t page) noexcept nogil:
    """Begin to read the page if it is in swap: its PTE is read without its lock, and what lies on another device is left
    unless that device is there to stay. Context: the device of vmf.entry is pinned, mmap_lock held; may sleep.
    """
    cdef uint64_t pte = ptep_get(cpu, vmf.mm, page)
    cdef swp_entry_t entry
    cdef uint32_t pfn
    cdef bint other, ahead = False
    if not is_swap_pte(pte):
        return
    entry = pte_to_swp_entry(pte)
    other = swp_type(entry) != swp_type(vmf.entry)
    if other and not p.pin_device(cpu, entry, PIN_READAHEAD):
        return
    pfn = read_slot(cpu, p, entry, vmf.memcg, True, &ahead)
    if other:
        p.unpin_device(cpu, entry, PIN_READAHEAD)
    if pfn:
        folio_put(cpu, pfn)


cdef uint32_t swapin_readahead(Cpu cpu, Protocol p, vm_fault *vmf) noexcept nogil:
    """The cache folio of a fault's slot with a reference, others read along; PFN_NONE: gone or no memory.

    Context: the device is pinned, mmap_lock held for reading; no spinlock held; may sleep.
    """
    cdef window_t w
    cdef uint64_t page
    if load32(&cpu.m.control.nr_rotate_swap) != 0:
        return swap_cluster_readahead(cpu, p, vmf.entry, vmf.memcg, &vmf.fresh)
    w = vma_window(cpu, vmf)
    for page in range(w.first, w.end):
        if page != vmf.page:
            read_ahead_of_vma(cpu, p, vmf, <uint32_t>page)
    return read_slot(cpu, p, vmf.entry, vmf.memcg, False, &vmf.fresh)
