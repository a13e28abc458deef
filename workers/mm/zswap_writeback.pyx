"""An entry goes to the device through a folio of the swap cache: the insertion secures the slot against everybody else.

Until then nothing does: the entry was found on a list, whose lock is dropped. What is kept for the slot is looked at
again once the folio is in the swap cache, for the slot may have been freed and be another page's.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from shm.atomic cimport load32, load_i64, xchg32
from shm.folio cimport PG_RECLAIM, PG_UPTODATE
from shm.layout cimport payload_of, zswap_page_of
from shm.swp_entry cimport swp_entry_t
from shm.vmstat cimport EV_ZSWAP_REJECT_RECLAIM, EV_ZSWPWB
from workers.cpu cimport READS, WRITES, Cpu, count, point
from workers.mm.errno cimport EEXIST, ENOMEM
from workers.mm.filemap cimport folio_unlock
from workers.mm.internal cimport MAX_RECLAIM_RETRIES
from workers.mm.memcontrol cimport mem_cgroup_is_descendant, mem_cgroup_online
from workers.mm.page_alloc cimport folio_of, folio_put, folio_set
from workers.mm.page_counter cimport parent_mem_cgroup
from workers.mm.page_io cimport swap_writepage
from workers.mm.protocol cimport PIN_ZSWAP, Protocol
from workers.mm.zswap_pool cimport zswap_entry_free, zswap_lru_count, zswap_lru_walk, zswap_tree_store


cdef uint32_t online_memcg(Cpu cpu, uint32_t memcg) noexcept nogil:
    """The memcg, or the nearest above it that has not been removed. Context: a look."""
    while memcg and not mem_cgroup_online(cpu, memcg):
        memcg = parent_mem_cgroup(cpu, memcg)
    return memcg


cdef int zswap_writeback_entry(Cpu cpu, Protocol p, uint32_t memcg, uint32_t index, swp_entry_t entry) noexcept nogil:
    """Write an entry to the slot it was kept for. 0, -EEXIST: the slot has a folio, or its device goes, -ENOMEM: no folio,
    or the entry is not the slot's any more: then what was inserted leaves the swap cache, unlocked, and is given back.

    Context: no lock held; may sleep. Neither entry nor slot is ours until the folio is in the swap cache.
    """
    cdef bint fresh = False
    cdef uint32_t pfn, kept
    if not p.pin_device(cpu, entry, PIN_ZSWAP):
        return EEXIST
    pfn = p.swap_cache_alloc_folio(cpu, entry, online_memcg(cpu, memcg), &fresh, True)
    p.unpin_device(cpu, entry, PIN_ZSWAP)
    if pfn == 0:
        return ENOMEM
    if not fresh:
        folio_put(cpu, pfn)
        return EEXIST
    if not p.zswap_still_stored(cpu, entry, index):
        p.swap_cache_del_folio(cpu, pfn)
        folio_unlock(cpu, pfn)
        folio_put(cpu, pfn)
        return ENOMEM
    memcpy(payload_of(&cpu.m, pfn), zswap_page_of(&cpu.m, index), cpu.m.geo.payload_bytes)
    cpu.busy(cpu.m.zswap.load_ns)
    kept = zswap_tree_store(cpu, entry, 0)
    folio_set(folio_of(cpu, pfn), PG_UPTODATE | PG_RECLAIM)
    if kept:
        zswap_entry_free(cpu, kept)
    count(cpu, EV_ZSWPWB)
    swap_writepage(cpu, pfn, entry)
    folio_put(cpu, pfn)
    return 0


cdef uint32_t shrink_list(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr, bint until_cached) noexcept nogil:
    """Look at up to `nr` entries of one memcg. How many were written back. Context: no lock held; may sleep.

    `until_cached`: an entry whose slot is in the swap cache is a sign that those to come are in use.
    """
    cdef uint32_t i, index, written = 0
    cdef swp_entry_t entry
    cdef int err
    for i in range(min(nr, zswap_lru_count(cpu, memcg))):
        index = zswap_lru_walk(cpu, memcg, &entry)
        if entry == 0:
            break
        if index == 0:
            continue
        err = zswap_writeback_entry(cpu, p, memcg, index, entry)
        if err == 0:
            written += 1
            continue
        count(cpu, EV_ZSWAP_REJECT_RECLAIM)
        if err == EEXIST and until_cached:
            break
    return written


cdef uint32_t zswap_shrink_memcg(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil:
    """Look at up to `nr` entries of one memcg. How many were written back. Context: no lock held; may sleep."""
    return shrink_list(cpu, p, memcg, nr, False) if cpu.m.zswap.writeback else 0


cdef uint32_t zswap_shrink_tree(Cpu cpu, Protocol p, uint32_t memcg, uint32_t nr) noexcept nogil:
    """Look at up to `nr` entries of each memcg from `memcg` down. How many were written back.

    Context: no lock held; may sleep.
    """
    cdef uint32_t cg, written = 0
    if cpu.m.geo.zswap_pages:
        for cg in range(<uint32_t>cpu.m.geo.memcgs + 1):
            if mem_cgroup_is_descendant(cpu, cg, memcg):
                written += zswap_shrink_memcg(cpu, p, cg, nr)
    return written


cdef void zswap_shrinker_scan(Cpu cpu, Protocol p, uint32_t memcg, uint32_t priority) noexcept nogil:
    """What direct reclaim of a memcg does about its entries, where the shrinker is on: two parts in 2^priority of them
    are looked at (kernel: do_shrink_slab with the usual seeks). Context: no lock held; may sleep.
    """
    if cpu.m.geo.zswap_pages and cpu.m.zswap.shrinker and cpu.m.zswap.writeback:
        shrink_list(cpu, p, memcg, 2 * zswap_lru_count(cpu, memcg) >> priority, True)


cdef bint too_full(Cpu cpu) noexcept nogil:
    """Whether the pool holds more than it should before it takes pages again. Context: a look."""
    point(cpu, &cpu.m.zswap.stored_pages, READS)
    return load_i64(&cpu.m.zswap.stored_pages) > <int64_t>cpu.m.zswap.accept_pages


cdef void zswap_shrink_worker(Cpu cpu, Protocol p) noexcept nogil:
    """One entry of each memcg in turn, until the pool takes pages again, or nothing has come of it too often; at once
    when nobody has asked. Context: no lock held; may sleep.
    """
    cdef uint32_t failures = 0
    if cpu.m.geo.zswap_pages == 0:
        return
    point(cpu, &cpu.m.zswap.shrink, READS)
    if load32(&cpu.m.zswap.shrink) == 0:
        return
    point(cpu, &cpu.m.zswap.shrink, WRITES)
    if xchg32(&cpu.m.zswap.shrink, 0) == 0:
        return
    while failures < MAX_RECLAIM_RETRIES and too_full(cpu):
        if zswap_shrink_tree(cpu, p, 0, 1) == 0:
            failures += 1
