"""How often whoever allocates or charges asks reclaim in vain before it gives up (kernel: mm/internal.h)."""

cdef enum:
    MAX_RECLAIM_RETRIES = 16
