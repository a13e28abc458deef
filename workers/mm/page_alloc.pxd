"""Free folios and references (kernel: mm/page_alloc.c, include/linux/page_ref.h).

Every CPU has a stack of free pages, taken from by compare-and-swap with a tag against ABA; an empty one turns to the zone's
free blocks (buddy.pyx) where the run has large folios, and steals.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.atomic cimport add_i32, cas_i32, fetch_and32, fetch_or32, load32, load_i32, store_i32
from shm.folio cimport folio_nr_pages, folio_t
from workers.cpu cimport ADDS, READS, WRITES, Cpu, point

cdef uint32_t take_free_folio(Cpu cpu) noexcept nogil
cdef uint32_t alloc_folio(Cpu cpu) noexcept nogil
cdef uint32_t alloc_large_folio(Cpu cpu, uint32_t order) noexcept nogil
cdef void free_folio(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void stack_push(Cpu cpu, uint64_t *head, uint32_t *links, uint32_t index) noexcept nogil
cdef uint32_t stack_pop(Cpu cpu, uint64_t *head, uint32_t *links) noexcept nogil

cdef inline folio_t *folio_of(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: none; whoever reads fields holds what folio.pxd says."""
    return &cpu.m.folios[pfn]

cdef inline uint32_t page_folio(Cpu cpu, uint32_t page) noexcept nogil:
    """PFN of the folio's head (kernel: page_folio). Context: a reference, or the page-table lock of a PTE that maps the page."""
    return load32(&cpu.m.folios[page].head)

cdef inline uint32_t folio_pages(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Pages of the folio. Context: a reference held."""
    return folio_nr_pages(&cpu.m.folios[pfn])

cdef inline bint folio_test_large(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: a reference held."""
    return cpu.m.folios[pfn].order != 0

cdef inline bint folio_test(folio_t *folio, uint32_t flag) noexcept nogil:
    return (load32(&folio.flags) & flag) != 0

cdef inline bint folio_test_set(folio_t *folio, uint32_t flag) noexcept nogil:
    """Set; whether it was set before."""
    return (fetch_or32(&folio.flags, flag) & flag) != 0

cdef inline void folio_set(folio_t *folio, uint32_t flag) noexcept nogil:
    fetch_or32(&folio.flags, flag)

cdef inline bint folio_test_clear(folio_t *folio, uint32_t flag) noexcept nogil:
    return (fetch_and32(&folio.flags, ~flag) & flag) != 0

cdef inline void folio_clear(folio_t *folio, uint32_t flag) noexcept nogil:
    fetch_and32(&folio.flags, ~flag)

cdef inline void folio_get(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Context: the caller holds a reference already."""
    point(cpu, &folio_of(cpu, pfn).refcount, ADDS)
    add_i32(&folio_of(cpu, pfn).refcount, 1)

cdef inline void folio_get_refs(Cpu cpu, uint32_t pfn, uint32_t refs) noexcept nogil:
    """Context: the caller holds a reference already."""
    point(cpu, &folio_of(cpu, pfn).refcount, ADDS)
    add_i32(&folio_of(cpu, pfn).refcount, <int32_t>refs)

cdef inline bint folio_try_get(Cpu cpu, uint32_t pfn) noexcept nogil:
    """A reference unless the folio is free or frozen. Context: no lock needed."""
    cdef int32_t *ref = &folio_of(cpu, pfn).refcount
    cdef int32_t seen
    point(cpu, ref, WRITES)
    while True:
        seen = load_i32(ref)
        if seen <= 0:
            return False
        if cas_i32(ref, seen, seen + 1):
            return True

cdef inline bint folio_ref_freeze(Cpu cpu, uint32_t pfn, int32_t expected) noexcept nogil:
    """Take all `expected` references at once, so that nobody can get one. Context: folio locked."""
    point(cpu, &folio_of(cpu, pfn).refcount, WRITES)
    return cas_i32(&folio_of(cpu, pfn).refcount, expected, 0)

cdef inline void folio_ref_unfreeze(Cpu cpu, uint32_t pfn, int32_t refs) noexcept nogil:
    """Give frozen references back. Context: folio locked, frozen by us."""
    point(cpu, &folio_of(cpu, pfn).refcount, WRITES)
    store_i32(&folio_of(cpu, pfn).refcount, refs)

cdef void folio_put(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void folio_put_refs(Cpu cpu, uint32_t pfn, uint32_t refs) noexcept nogil
