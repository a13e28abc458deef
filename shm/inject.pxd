"""Failures that a run injects, each at its own rate: what an allocator, a device or a slow holder does to the rest."""

cdef enum:  # injection
    INJECT_FOLIO_ALLOC = 0  # no folio is to be had
    INJECT_TABLE_ALLOC  # the swap table of a free cluster is not to be had without sleeping
    INJECT_COUNT_ALLOC  # nor the page or table of a count that has outgrown its first digit
    INJECT_CHARGE  # a charge to a memcg fails
    INJECT_DEVICE_ERROR  # a request ends with an I/O error
    INJECT_DEVICE_SLOW  # a request takes 20 times as long
    INJECT_LOCK_DELAY  # the holder of a cluster lock is held up for 10 us
    NR_INJECTIONS
