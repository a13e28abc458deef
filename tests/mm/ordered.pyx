"""Protocols that allocate ranges of higher orders: what tests/mm/test_orders.py compiles, outside of the tree's build."""
from libc.stdint cimport uint32_t

from shm.swp_entry cimport swp_entry_t
from workers.cpu cimport Cpu
from workers.mm.swap_alloc cimport swap_alloc_entry
from workers.mm.swapfile cimport put_swap_folio
from workers.protocols.swap_cache cimport SwapCache

cdef enum:
    ORDERS = 4  # of clusters of 8 slots


cdef class TakesAndGives(SwapCache):
    """Before a folio gets its slot, it gets 2^n slots, n by its number, and gives them back."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster locks."""
        cdef uint32_t order = pfn % ORDERS
        cdef swp_entry_t entry = swap_alloc_entry(cpu, self, pfn, order)
        if entry:
            put_swap_folio(cpu, self, entry, <uint32_t>1 << order)
            cpu.my.reserved_entry = 0
        return SwapCache.folio_alloc_swap(self, cpu, pfn)


cdef class KeepsPairs(SwapCache):
    """Each folio keeps a pair of slots, which nobody ever gives back, beside the slot that it goes to."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster locks."""
        swap_alloc_entry(cpu, self, pfn, 1)
        cpu.my.reserved_entry = 0
        return SwapCache.folio_alloc_swap(self, cpu, pfn)


cdef class KeepsTwoPairs(KeepsPairs):
    """The first two folios keep a pair each."""

    cdef int folio_alloc_swap(self, Cpu cpu, uint32_t pfn) noexcept nogil:
        """Context: folio locked; takes cluster locks."""
        if cpu.m.si[0].inuse_pages < 5:
            return KeepsPairs.folio_alloc_swap(self, cpu, pfn)
        return SwapCache.folio_alloc_swap(self, cpu, pfn)
