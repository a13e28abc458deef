"""Which pages of an mm a VMA has (kernel: mm/vma.c). All are anonymous and alike, so a VMA is a run of such pages.

Whoever changes that holds mmap_lock for writing, whoever goes by it for reading at least.
"""
from libc.stdint cimport uint8_t, uint32_t
from shm.layout cimport unmapped_of
from workers.cpu cimport Cpu

cdef inline bint vma_lookup(Cpu cpu, uint32_t mm, uint32_t page) noexcept nogil:
    """Whether a VMA has the page. Context: mmap_lock held."""
    return cpu.m.mms[mm].unmapped == 0 or unmapped_of(&cpu.m, mm)[page] == 0

cdef inline uint32_t vma_end(Cpu cpu, uint32_t mm, uint32_t page, uint32_t end) noexcept nogil:
    """Where the VMA that has the page ends, or the gap between two; `end` at the latest. Context: mmap_lock held."""
    cdef uint8_t *unmapped = unmapped_of(&cpu.m, mm)
    cdef uint8_t like = unmapped[page]
    if cpu.m.mms[mm].unmapped == 0:
        return end
    while page < end and unmapped[page] == like:
        page += 1
    return page

cdef inline uint32_t vma_start(Cpu cpu, uint32_t mm, uint32_t page, uint32_t floor) noexcept nogil:
    """Where the VMA of the page begins; `floor` at the earliest. Context: mmap_lock held."""
    if cpu.m.mms[mm].unmapped == 0:
        return floor
    while page > floor and vma_lookup(cpu, mm, page - 1):
        page -= 1
    return page

cdef inline bint vma_has_range(Cpu cpu, uint32_t mm, uint32_t first, uint32_t nr) noexcept nogil:
    """Whether one VMA has all `nr` pages from `first` on, none of them beyond the mm. Context: mmap_lock held."""
    return first + nr <= cpu.m.geo.pages and vma_lookup(cpu, mm, first) and (
        vma_end(cpu, mm, first, first + nr) == first + nr)

cdef inline uint32_t vma_set(Cpu cpu, uint32_t mm, uint32_t first, uint32_t end, bint mapped) noexcept nogil:
    """[first, end) gets a VMA, or loses what it has of VMAs. How many pages that changes. Context: mmap_lock held for writing."""
    cdef uint8_t *unmapped = unmapped_of(&cpu.m, mm)
    cdef uint32_t page, changed = 0
    for page in range(first, end):
        changed += unmapped[page] == mapped
        unmapped[page] = not mapped
    if mapped:
        cpu.m.mms[mm].unmapped -= changed
    else:
        cpu.m.mms[mm].unmapped += changed
    return changed
