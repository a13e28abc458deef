"""Which PTEs map a folio, and how they lose it (kernel: mm/rmap.c)."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from shm.lock cimport lock_t
from shm.layout cimport ptes_of, ptl_of
from shm.mm cimport pte_pfn, pte_present
from workers.cpu cimport READS, WRITES, Cpu, point
from workers.mm.page_alloc cimport folio_pages, folio_test_large, page_folio
from workers.mm.protocol cimport Protocol
from shm.atomic cimport load64, load_i32, store64

cdef void folio_add_anon_rmap(Cpu cpu, uint32_t page, bint exclusive) noexcept nogil
cdef void folio_remove_rmap(Cpu cpu, uint32_t page) noexcept nogil
cdef bint try_to_unmap(Cpu cpu, Protocol p, uint32_t pfn) noexcept nogil
cdef uint32_t folio_referenced(Cpu cpu, uint32_t pfn) noexcept nogil
cdef void declare_mm_user(Cpu cpu, uint32_t mm) noexcept nogil
cdef bint mmget_not_zero(Cpu cpu, uint32_t mm) noexcept nogil
cdef void mmlist_add(Cpu cpu, uint32_t mm) noexcept nogil

cdef inline uint64_t *pte_of(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """Context: mm_users held; page-table lock to write."""
    return &ptes_of(&cpu.m, mm)[page]

cdef inline uint64_t ptep_get(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """A look without the page-table lock, to be verified under it. Context: mm_users held."""
    point(cpu, pte_of(cpu, mm, page), READS)
    return load64(pte_of(cpu, mm, page))

cdef inline void set_pte(Cpu cpu, uint32_t mm, uint32_t page, uint64_t pte) noexcept nogil:
    """Seen at once by whoever looks without the lock. Context: page-table lock held."""
    point(cpu, pte_of(cpu, mm, page), WRITES)
    store64(pte_of(cpu, mm, page), pte)

cdef inline bint folio_mapped(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether a PTE maps it. Context: a look; a reference held."""
    point(cpu, &cpu.m.folios[pfn].mapcount, READS)
    return load_i32(&cpu.m.folios[pfn].mapcount) != 0

cdef inline bint folio_partially_mapped(Cpu cpu, uint32_t pfn) noexcept nogil:
    """Whether some of a large folio's pages are surely not mapped though others are (kernel: CONFIG_NO_PAGE_MAPCOUNT).

    Context: a look; a reference held.
    """
    if not folio_test_large(cpu, pfn):
        return False
    point(cpu, &cpu.m.folios[pfn].mapcount, READS)
    return 0 < load_i32(&cpu.m.folios[pfn].mapcount) < <int32_t>folio_pages(cpu, pfn)

cdef inline bint pte_maps_folio(Cpu cpu, uint64_t pte, uint32_t pfn) noexcept nogil:
    """Whether a PTE maps a page of the folio. Context: a reference of the folio held; exact under the page-table lock."""
    return pte_present(pte) and page_folio(cpu, pte_pfn(pte)) == pfn

cdef inline void pte_lock(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """Context: mm_users or anon_vma lock held; takes the page-table lock of the page."""
    cpu.lock(ptl_of(&cpu.m, mm, page))

cdef inline void ptes_unlock(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end) noexcept nogil:
    """Context: the page-table lock of [first, end) held, given back; the laws of these entries hold here."""
    if cpu.cooperative:
        cpu.page_table_unlocked(mm, first, end)
    cpu.unlock(ptl_of(&cpu.m, mm, first))

cdef inline void pte_unlock(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """Context: the page-table lock of the page held, given back; the laws of its entry hold here."""
    ptes_unlock(cpu, mm, page, page + 1)
