"""MADV_PAGEOUT reclaims pages of this mm alone at once; MADV_DONTNEED drops them, memory and slots."""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport load64, load_i32
from shm.mm cimport pte_pfn, pte_present
from shm.vmstat cimport EV_DONTNEEDS, EV_OPERATIONS, EV_PAGEOUTS
from workers.cpu cimport READS, Cpu, count, point
from workers.mm.filemap cimport mmap_read_lock, mmap_read_unlock
from workers.mm.page_alloc cimport folio_of
from workers.mm.rmap cimport pte_lock, pte_of, pte_unlock
from workers.mm.vmscan_lists cimport ISOLATE_BATCH, folio_isolate_lru
from workers.operations.fork_exit cimport zap_range
from workers.operations.reclaim cimport shrink_folio_list
from workers.mm.protocol cimport Protocol


cdef uint32_t isolate_range(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end, uint32_t *batch) noexcept nogil:
    """Present pages of [first, end) that no other mm maps, off their lists. Context: takes page-table locks."""
    cdef uint32_t page, pfn, n = 0
    cdef uint64_t pte
    for page in range(first, end):
        pte_lock(cpu, mm, page)
        pte = load64(pte_of(cpu, mm, page))
        if pte_present(pte):
            pfn = pte_pfn(pte)
            point(cpu, &folio_of(cpu, pfn).mapcount, READS)
            if load_i32(&folio_of(cpu, pfn).mapcount) == 1 and folio_isolate_lru(cpu, pfn):
                batch[n] = pfn
                n += 1
        pte_unlock(cpu, mm, page)
    return n


cdef uint32_t madvise_pageout(Cpu cpu, Protocol p, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """MADV_PAGEOUT of pages [first, end). Returns how many left memory. Context: mm_users held, no lock; sleeps."""
    cdef uint32_t[ISOLATE_BATCH] batch
    cdef uint32_t n, stop, freed = 0
    count(cpu, EV_OPERATIONS)
    count(cpu, EV_PAGEOUTS)
    mmap_read_lock(cpu, mm)
    while first < end:
        stop = first + ISOLATE_BATCH if first + ISOLATE_BATCH < end else end
        n = isolate_range(cpu, mm, first, stop, batch)
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
