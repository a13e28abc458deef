"""The byte of a slot in swap_map (kernel: include/linux/swap.h, up to 7.0).

      7       6          5                0
    +-----+-----------+------------------+
    | CNT | HAS_CACHE |  count 0 .. 62   |     0x3f: bad
    +-----+-----------+------------------+

CNT (COUNT_CONTINUED): the count goes on in continuation pages, a digit of 7 bits in each, the least first:
count = low + digit0 * 63 + digit1 * 63 * 128 + ... HAS_CACHE is gone in 7.0's last form (slot format SLOTS_MAP).
"""
from libc.stdint cimport uint8_t
from shm.atomic cimport load8, store8

cdef enum:
    SWAP_MAP_MAX = 0x3E
    SWAP_MAP_BAD = 0x3F
    SWAP_HAS_CACHE = 0x40
    COUNT_CONTINUED = 0x80
    SWAP_MAP_SHMEM = 0xBF  # of a file, with SWAP_HAS_CACHE or without; counts nothing (up to 6.19)
    SWAP_CONT_MAX = 0x7F  # of a digit; its bit 7 is COUNT_CONTINUED too
    MAP_PAGE_SLOTS = 4096  # slots of one page of the map, which share a list of continuation pages

cdef enum:  # slot_format: where the references of a slot are counted, and whether a bit claims it
    SLOTS_MAP_CACHE = 0  # swap_map with SWAP_HAS_CACHE: up to phase II patch 17
    SLOTS_MAP = 1  # swap_map without it: 7.0
    SLOTS_TABLE = 2  # no swap_map: the table word counts, 7.1

cdef inline uint8_t swap_count(uint8_t ent) noexcept nogil:
    return ent & ~SWAP_HAS_CACHE
