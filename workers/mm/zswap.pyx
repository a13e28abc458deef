"""A folio that goes to swap may stay here; one that comes back takes its entry along, unless nobody but its fault knows it.

Stores, loads and frees of one slot exclude each other: by the lock of its folio in the swap cache, up to 6.19 also by
SWAP_HAS_CACHE, and by the cluster lock when a slot without a folio is freed.
"""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from shm.atomic cimport load32, store32
from shm.folio cimport PG_DIRTY, PG_SWAPCACHE, PG_UPTODATE, folio_nr_pages
from shm.layout cimport payload_of, zswap_page_of
from shm.vmstat cimport EV_ZSWPIN, EV_ZSWPOUT
from workers.cpu cimport WRITES, Cpu, count, point
from workers.mm.checks cimport check_reader
from workers.mm.content cimport content_copy
from workers.mm.errno cimport EIO, ENOENT
from workers.mm.page_alloc cimport folio_of, folio_set, folio_test
from workers.mm.zswap_pool cimport (
    zswap_entry_alloc, zswap_entry_free, zswap_invalidate, zswap_lru_add, zswap_tree_load, zswap_tree_store,
)


cdef bint store_page(Cpu cpu, uint32_t pfn, swp_entry_t entry, uint32_t memcg) noexcept nogil:
    """Keep one page for its slot. False: the pool takes none. Context: as zswap_store."""
    cdef uint32_t index = zswap_entry_alloc(cpu, memcg), old
    if index == 0:
        return False
    cpu.busy(cpu.m.zswap.store_ns)
    content_copy(zswap_page_of(&cpu.m, index), payload_of(&cpu.m, pfn), cpu.m.geo.payload_bytes)
    old = zswap_tree_store(cpu, entry, index)
    if old:
        zswap_entry_free(cpu, old)
    zswap_lru_add(cpu, index, entry)
    count(cpu, EV_ZSWPOUT)
    return True


cdef bint zswap_store(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Keep the folio for its slots, all pages or none. False: no entry is kept for any of them, not even an old one, and
    whoever ends a batch of reclaim next shrinks a pool that is full.

    Context: folio locked, unmapped, in the swap cache; takes the lock of its memcg's list.
    """
    cdef uint32_t i, nr = folio_nr_pages(folio_of(cpu, pfn))
    for i in range(nr):
        if not store_page(cpu, pfn + i, entry + i, load32(&folio_of(cpu, pfn).memcg)):
            break
    else:
        return True
    if load32(&cpu.m.zswap.reached_full) and cpu.m.zswap.writeback:
        point(cpu, &cpu.m.zswap.shrink, WRITES)
        store32(&cpu.m.zswap.shrink, 1)
    for i in range(nr):
        zswap_invalidate(cpu, entry + i)
    return False


cdef int zswap_load(Cpu cpu, uint32_t pfn, swp_entry_t entry) noexcept nogil:
    """Read the folio from what is kept for its slot. 0: it is uptodate, -ENOENT: nothing is, -EIO: it is a large one.

    A folio of the swap cache is the only copy from here, and dirty. That of a bypass may be thrown away when its fault
    fails: the entry stays until the slot is freed. Context: folio locked for the read.
    """
    cdef uint32_t index
    if folio_nr_pages(folio_of(cpu, pfn)) > 1:
        return EIO
    index = zswap_tree_load(cpu, entry)
    if index == 0:
        return ENOENT
    check_reader(cpu, pfn, entry)
    memcpy(payload_of(&cpu.m, pfn), zswap_page_of(&cpu.m, index), cpu.m.geo.payload_bytes)
    cpu.busy(cpu.m.zswap.load_ns)
    folio_set(folio_of(cpu, pfn), PG_UPTODATE)
    count(cpu, EV_ZSWPIN)
    if folio_test(folio_of(cpu, pfn), PG_SWAPCACHE):
        folio_set(folio_of(cpu, pfn), PG_DIRTY)
        zswap_invalidate(cpu, entry)
    return 0
