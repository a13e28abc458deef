"""zone: free pages in blocks of 2^order, each aligned to its size (kernel: struct zone; mm/page_alloc.c).

It stands behind the CPUs' stacks of single pages, and is empty where a run has no large folios.
"""
from libc.stdint cimport uint32_t
from shm.lock cimport lock_t

cdef enum:
    MAX_FOLIO_ORDER = 9
    NR_PAGE_ORDERS = 10

cdef struct free_area_t:
    uint32_t head  # PFN of the first block's first page, 0: none

cdef struct zone_t:
    lock_t lock
    # zone->lock must be held:
    free_area_t free_area[NR_PAGE_ORDERS]
    uint32_t pad[6]
