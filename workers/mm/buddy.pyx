"""A block that is split puts its upper halves on the lists; one that is freed merges with its buddy as long as that is free."""
from libc.stdint cimport uint32_t

from shm.atomic cimport load32, store32
from shm.folio cimport PG_BUDDY, folio_t
from shm.zone cimport MAX_FOLIO_ORDER, NR_PAGE_ORDERS, free_area_t
from workers.cpu cimport Cpu


cdef void add_block(Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
    """Context: zone lock held; the block is nobody's."""
    cdef free_area_t *area = &cpu.m.zone.free_area[order]
    cdef folio_t *page = &cpu.m.folios[pfn]
    store32(&page.flags, PG_BUDDY)
    page.order = order
    page.lru_prev = 0
    page.lru_next = area.head
    if area.head:
        cpu.m.folios[area.head].lru_prev = pfn
    area.head = pfn


cdef void take_block(Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
    """Context: zone lock held; the block is on the list of its order."""
    cdef free_area_t *area = &cpu.m.zone.free_area[order]
    cdef folio_t *page = &cpu.m.folios[pfn]
    if page.lru_prev:
        cpu.m.folios[page.lru_prev].lru_next = page.lru_next
    else:
        area.head = page.lru_next
    if page.lru_next:
        cpu.m.folios[page.lru_next].lru_prev = page.lru_prev
    page.lru_prev = page.lru_next = 0
    store32(&page.flags, 0)


cdef uint32_t rmqueue(Cpu cpu, uint32_t order) noexcept nogil:
    """The first page of a free block of that order, split off a larger one if need be; PFN_NONE.

    Context: takes the zone lock.
    """
    cdef uint32_t at = order, pfn
    cpu.lock(&cpu.m.zone.lock)
    while at < NR_PAGE_ORDERS and cpu.m.zone.free_area[at].head == 0:
        at += 1
    pfn = cpu.m.zone.free_area[at].head if at < NR_PAGE_ORDERS else 0
    if pfn:
        take_block(cpu, pfn, at)
        while at > order:
            at -= 1
            add_block(cpu, pfn + (<uint32_t>1 << at), at)
    cpu.unlock(&cpu.m.zone.lock)
    return pfn


cdef void free_one_page(Cpu cpu, uint32_t pfn, uint32_t order) noexcept nogil:
    """A block is free from here; with a free buddy it is one block. Context: nobody can reach it; takes the zone lock."""
    cdef uint32_t buddy
    cpu.lock(&cpu.m.zone.lock)
    while order < MAX_FOLIO_ORDER:
        buddy = pfn ^ (<uint32_t>1 << order)
        if buddy == 0 or buddy >= cpu.m.geo.folios or not load32(&cpu.m.folios[buddy].flags) & PG_BUDDY or (
                cpu.m.folios[buddy].order != order):
            break
        take_block(cpu, buddy, order)
        pfn &= buddy
        order += 1
    add_block(cpu, pfn, order)
    cpu.unlock(&cpu.m.zone.lock)
