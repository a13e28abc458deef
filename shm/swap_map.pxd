"""The byte of a slot in swap_map (kernel: include/linux/swap.h, up to 7.0).

      7       6          5                0
    +-----+-----------+------------------+
    | CNT | HAS_CACHE |  count 0 .. 62   |     0x3f: bad
    +-----+-----------+------------------+

CNT (COUNT_CONTINUED) is set by no operation here: a count of 62 refuses a further reference with -ENOMEM.
"""
from libc.stdint cimport uint8_t
from shm.atomic cimport load8, store8

cdef enum:
    SWAP_MAP_MAX = 0x3E
    SWAP_MAP_BAD = 0x3F
    SWAP_HAS_CACHE = 0x40
    COUNT_CONTINUED = 0x80

cdef inline uint8_t swap_count(uint8_t ent) noexcept nogil:
    return ent & ~SWAP_HAS_CACHE
