"""Read the aligned block of slots around the one that is wanted; the window follows the hits of the last one."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add32, load32, store32, xchg32
from shm.folio cimport PG_READAHEAD
from shm.swapfile cimport swap_info_struct
from shm.swp_entry cimport swp_entry, swp_entry_t, swp_offset, swp_type
from shm.vmstat cimport EV_SWAP_RA, EV_SWAP_RA_HIT
from workers.cpu cimport Cpu, count
from workers.mm.page_alloc cimport folio_of, folio_put, folio_set, folio_test_clear
from workers.mm.page_io cimport swap_read_folio
from workers.mm.swapfile cimport si_of
from workers.mm.protocol cimport Protocol


cdef uint32_t swapin_nr_pages(Cpu cpu, swap_info_struct *si, uint32_t offset) noexcept nogil:
    """Slots to read, a power of two (kernel: __swapin_nr_pages). Context: none; the counts are guesses."""
    cdef uint32_t most = cpu.m.control.readahead_pages
    cdef uint32_t hits, pages, prev, last, size = 4
    if most <= 1:
        return 1
    hits = xchg32(&si.readahead_hits, 0)
    prev = xchg32(&si.readahead_prev, offset)
    pages = hits + 2
    if pages == 2:
        if offset != prev + 1 and offset + 1 != prev:
            pages = 1
    else:
        while size < pages:
            size <<= 1
        pages = size
    if pages > most:
        pages = most
    last = load32(&si.readahead_window) // 2
    if pages < last:
        pages = last
    store32(&si.readahead_window, pages)
    return pages


cdef void readahead_hit(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """A fault found its folio in the cache. Context: a reference held."""
    if folio_test_clear(folio_of(cpu, pfn), PG_READAHEAD):
        count(cpu, EV_SWAP_RA_HIT)
        add32(&si_of(cpu, entry).readahead_hits, 1)


cdef uint32_t read_slot(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint ahead, bint *fresh) noexcept nogil:
    """The cache folio of one slot, its read begun if it is new. Context: the device is pinned; may sleep."""
    cdef uint32_t pfn = p.swap_cache_alloc_folio(cpu, entry, memcg, fresh)
    if pfn and fresh[0]:
        if ahead:
            folio_set(folio_of(cpu, pfn), PG_READAHEAD)
            count(cpu, EV_SWAP_RA)
        swap_read_folio(cpu, pfn)
    return pfn


cdef uint32_t swapin_readahead(Cpu cpu, Protocol p, swp_entry_t entry, uint32_t memcg, bint *fresh) noexcept nogil:
    """The cache folio of `entry` with a reference, neighbours read along; PFN_NONE: gone or no memory.

    Neighbours may be nobody's, bad, freed, somebody else's: each is checked under the cluster lock by the protocol.
    Context: the device is pinned; no spinlock held; may sleep.
    """
    cdef swap_info_struct *si = si_of(cpu, entry)
    cdef uint64_t offset = swp_offset(entry), at
    cdef uint32_t window = swapin_nr_pages(cpu, si, <uint32_t>offset), pfn
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
